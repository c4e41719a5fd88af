import { App, Tags, Validations } from 'aws-cdk-lib';
import { AddonsStack } from './addons-stack.ts';
import { check } from './check.ts';
import { ClusterStack } from './cluster-stack.ts';
import type { WeirConfig } from './config.ts';
import { InferenceStack } from './inference-stack.ts';
import { Checks } from './nag.ts';
import { NetworkStack } from './network-stack.ts';
import { NodeGroupsStack } from './node-groups-stack.ts';
import { ObservabilityStack } from './observability-stack.ts';
import { RouterStack } from './router-stack.ts';

export interface Built {
  readonly app: App;
  readonly network: NetworkStack;
  readonly cluster: ClusterStack;
  readonly nodeGroups: NodeGroupsStack;
  readonly addons: AddonsStack;
  readonly inference: InferenceStack;
  readonly observability: ObservabilityStack;
  readonly router: RouterStack;
}

/** All seven stacks of one installation. */
export function build(config: WeirConfig, app: App = new App()): Built {
  check(config);
  const env = { region: config.region, ...(config.account ? { account: config.account } : {}) };
  // CDK asks the account for its zones even where they are given; this is the
  // answer, so that neither a network nor credentials are needed.
  if (config.account)
    app.node.setContext(
      `availability-zones:account=${config.account}:region=${config.region}`,
      config.availabilityZones,
    );

  Validations.of(app).addPlugins(new Checks(app));

  const base = { config, env };
  const network = new NetworkStack(app, 'HybridLlmNetwork', base);
  const withVpc = { ...base, vpc: network.vpc };
  const clusterStack = new ClusterStack(app, 'HybridLlmCluster', withVpc);
  const workload = { ...withVpc, cluster: clusterStack.cluster };
  const nodeGroups = new NodeGroupsStack(app, 'HybridLlmNodeGroups', workload);
  const addons = new AddonsStack(app, 'HybridLlmAddons', workload);
  const inference = new InferenceStack(app, 'HybridLlmInference', workload);
  const observability = new ObservabilityStack(app, 'HybridLlmObservability', workload);
  const router = new RouterStack(app, 'HybridLlmRouter', workload);

  // Nothing that runs in the cluster refers to the nodes, the controllers or
  // the operators that it needs: so the order is said here.
  nodeGroups.addStackDependency(clusterStack);
  addons.addStackDependency(nodeGroups);
  observability.addStackDependency(addons);
  inference.addStackDependency(observability);
  router.addStackDependency(inference);

  Tags.of(app).add('weir:installation', config.name);
  for (const [key, value] of Object.entries(config.tags ?? {})) Tags.of(app).add(key, value);
  return { app, network, cluster: clusterStack, nodeGroups, addons, inference, observability, router };
}
