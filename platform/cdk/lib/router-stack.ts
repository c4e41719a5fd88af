import { CfnOutput, Stack } from 'aws-cdk-lib';
import type * as eks from 'aws-cdk-lib/aws-eks-v2';
import type { Construct } from 'constructs';
import { own } from './charts.ts';
import type { WeirConfig } from './config.ts';
import { langfuseGenerated, projectKeys } from './langfuse.ts';
import { namespace, ownRelease } from './releases.ts';
import { externalSecret, generate, secretName, type Source } from './secrets.ts';
import type { WorkloadStackProps } from './stacks.ts';
import { callerVariable, routerSecret, weirValues } from './values/weir.ts';

/** Made by hand before the first deployment: its value comes from Anthropic. */
export const anthropicSecret = 'anthropic';

const callerPath = (name: string) => `callers/${name}`;

export class RouterStack extends Stack {
  constructor(scope: Construct, id: string, props: WorkloadStackProps) {
    super(scope, id, props);
    const { config, cluster, vpc } = props;
    const home = namespace(this, cluster, {
      name: own.weir.namespace,
      security: 'restricted',
      // A pod is ready only when the load balancer has it.
      labels: { 'elbv2.k8s.aws/pod-readiness-gate-inject': 'enabled' },
    });
    const copy = this.secrets(config, cluster);
    copy.node.addDependency(home);

    const subnets = config.router.scheme === 'internal' ? vpc.privateSubnets : vpc.publicSubnets;
    const values = weirValues({ config, loadBalancerCidrs: subnets.map((subnet) => subnet.ipv4CidrBlock) });
    const chart = ownRelease(this, 'Weir', cluster, own.weir, values);
    chart.node.addDependency(copy);

    new CfnOutput(this, 'Url', {
      value: `https://${config.router.domain}/v1`,
      description: 'What clients take as base URL, once the name points to the load balancer',
    });
    new CfnOutput(this, 'LoadBalancer', {
      value: `kubectl -n ${own.weir.namespace} get ingress ${own.weir.release} -o jsonpath='{.status.loadBalancer.ingress[0].hostname}'`,
      description: 'Prints the name of the load balancer, for the record of the domain',
    });
    const first = config.router.callers[0];
    if (first)
      new CfnOutput(this, 'CallerKey', {
        value: `aws secretsmanager get-secret-value --secret-id ${secretName(config, callerPath(first.name))} --query SecretString --output text`,
        description: `Prints the key of the caller ${first.name}`,
      });
  }

  /** What the router needs to know, as one Secret. */
  private secrets(config: WeirConfig, cluster: eks.Cluster): eks.KubernetesManifest {
    const at = (path: string): Source => ({ name: secretName(config, path) });
    const from: Record<string, Source> = { ANTHROPIC_API_KEY: at(anthropicSecret) };
    const made = config.router.callers.map((caller) => {
      const path = callerPath(caller.name);
      from[callerVariable(caller)] = at(path);
      return generate(this, `Caller-${caller.name}`, config, {
        path,
        description: `Key of the caller ${caller.name}`,
      });
    });
    const langfuse = config.observability.langfuse.enabled;
    if (langfuse) {
      from['public'] = at(langfuseGenerated.publicKey.path);
      from['secret'] = at(langfuseGenerated.secretKey.path);
    }
    const copy = externalSecret(this, 'Copy-router-api-keys', {
      cluster,
      namespace: own.weir.namespace,
      name: routerSecret,
      from,
      ...(langfuse
        ? { template: { LANGFUSE_PUBLIC_KEY: projectKeys.public, LANGFUSE_SECRET_KEY: projectKeys.secret } }
        : {}),
    });
    copy.node.addDependency(...made);
    return copy;
  }
}
