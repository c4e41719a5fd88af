// What must be true of a configuration beyond its types.  All that is wrong is
// told at once, each with its field.
import { serviceRules } from './check-services.ts';
import type { WeirConfig } from './config.ts';
import { gpuPools } from './gpu-pools.ts';

export type Rule = readonly [holds: boolean, text: string];

/** Refuses a configuration that would deploy something else than it says. */
export function check(config: WeirConfig): void {
  const wrong = [...placeRules(config), ...networkRules(config), ...clusterRules(config), ...poolRules(config)]
    .filter(([holds]) => !holds)
    .map(([, text]) => text)
    .concat(serviceRules(config));
  if (wrong.length > 0) throw new Error(`weir.config.ts:\n${wrong.map((text) => `  ${text}`).join('\n')}`);
}

const distinct = (texts: readonly string[]): boolean => new Set(texts).size === texts.length;
const within = (value: number, least: number, most: number): boolean =>
  Number.isInteger(value) && value >= least && value <= most;
const isMail = (text: string): boolean => /^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(text);

/** What CloudWatch Logs can keep; anything else fails after minutes of work. */
const logDays = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

function placeRules(config: WeirConfig): Rule[] {
  const { region, availabilityZones: zones, budget, router } = config;
  const certificate = /^arn:aws[a-z-]*:acm:([a-z0-9-]+):\d{12}:certificate\/[\w-]+$/.exec(router.certificateArn);
  return [
    [
      /^[a-z][a-z0-9-]{1,38}[a-z0-9]$/.test(config.name),
      'name: 3 to 40 small letters, digits and dashes, a letter first',
    ],
    [/^[a-z]{2}(-[a-z]+)+-\d$/.test(region), `region: ${region} is none`],
    [config.account === undefined || /^\d{12}$/.test(config.account), 'account: twelve digits'],
    [zones.length === 3 && distinct(zones), 'availabilityZones: three different zones are needed'],
    [
      zones.every((zone) => zone.startsWith(region) && /^[a-z]$/.test(zone.slice(region.length))),
      `availabilityZones: they must be zones of ${region}`,
    ],
    [
      certificate !== null,
      'router.certificateArn: the ARN of a certificate of AWS Certificate Manager; without one there is no HTTPS',
    ],
    [!certificate || certificate[1] === region, `router.certificateArn: the certificate must be in ${region}`],
    [
      !budget || (budget.monthlyUsd > 0 && within(budget.emails.length, 1, 10) && budget.emails.every(isMail)),
      'budget: an amount above 0, and one to ten addresses of mail',
    ],
  ];
}

function networkRules({ network }: WeirConfig): Rule[] {
  const [address = '', range = ''] = network.cidr.split('/');
  const parts = address.split('.').map(Number);
  const number = parts.reduce((all, part) => all * 256 + part, 0);
  const [first = 0, second = 0] = parts;
  const isPrivate =
    first === 10 || (first === 172 && within(second, 16, 31)) || (first === 192 && second === 168);
  return [
    [
      parts.length === 4 && parts.every((part) => within(part, 0, 255)) && within(Number(range), 16, 18),
      'network.cidr: a range such as 10.40.0.0/16, from /16 to /18',
    ],
    [isPrivate, 'network.cidr: not a private range (10/8, 172.16/12, 192.168/16)'],
    [number % 2 ** (32 - Number(range)) === 0, 'network.cidr: the address is not the first one of its range'],
    [within(network.natGateways, 1, 3), 'network.natGateways: 1 to 3'],
    [logDays.includes(network.flowLogDays), `network.flowLogDays: one of ${logDays.join(', ')}`],
  ];
}

function clusterRules({ cluster }: WeirConfig): Rule[] {
  return [
    [cluster.adminRoles.length > 0, 'cluster.adminRoles: at least one role, or nobody can look into the cluster'],
    [
      cluster.adminRoles.every((arn) => /^arn:aws[a-z-]*:iam::\d{12}:(role|user)\/.+$/.test(arn)),
      'cluster.adminRoles: ARNs of IAM roles, not of sessions (arn:aws:iam::…:role/…)',
    ],
    [distinct(cluster.adminRoles), 'cluster.adminRoles: two are the same'],
    [logDays.includes(cluster.logDays), `cluster.logDays: one of ${logDays.join(', ')}`],
  ];
}

function poolRules(config: WeirConfig): Rule[] {
  const { systemPool: system, gpuPool: gpu } = config;
  const needed = gpuPools(config).reduce((sum, { maxGpus }) => sum + maxGpus, 0);
  const isDuration = (text: string): boolean => /^\d+(s|m|h)$/.test(text);
  return [
    [system.instanceTypes.length > 0, 'systemPool.instanceTypes: at least one'],
    [system.min >= 2, 'systemPool.min: at least 2, for controllers run twice, on different nodes'],
    [
      system.min <= system.desired && system.desired <= system.max,
      'systemPool: min <= desired <= max must hold',
    ],
    [system.diskGiB >= 30, 'systemPool.diskGiB: at least 30'],
    [
      gpu.diskGiB >= 60,
      'gpuPool.diskGiB: at least 60, for the image of the server takes more than 20 when it is unpacked',
    ],
    [gpu.capacity.length > 0 && distinct(gpu.capacity), "gpuPool.capacity: 'spot', 'on-demand' or both"],
    [
      /^(al2023|bottlerocket)@v[\w.]+$/.test(gpu.imageAlias),
      'gpuPool.imageAlias: a release such as al2023@v20260801; with @latest nodes would change unasked',
    ],
    [isDuration(gpu.emptyFor) && isDuration(gpu.expireAfter), 'gpuPool: durations are written 300s, 5m or 168h'],
    [
      needed <= gpu.maxGpus,
      `gpuPool.maxGpus: the models may ask for ${needed} GPUs (gpus x maxReplicas), more than ${gpu.maxGpus}`,
    ],
    [
      gpu.provisioner === 'managed' ? (gpu.instanceTypes?.length ?? 0) > 0 : gpu.instanceFamilies.length > 0,
      gpu.provisioner === 'managed'
        ? 'gpuPool.instanceTypes: a managed group needs exact types'
        : 'gpuPool.instanceFamilies: at least one',
    ],
  ];
}
