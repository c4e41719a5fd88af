// What an installation costs in a month: what the configuration says, times
// prices.json.  Nothing is asked of AWS.
import type { WeirConfig } from './config.ts';
import { gpuPools, modelsOf, poolName, type GpuPool } from './gpu-pools.ts';
import { interfaceEndpoints } from './network-stack.ts';
import shipped from '../prices.json' with { type: 'json' };

export type Prices = typeof shipped;

export const hoursOfMonth = 730;

/** Nothing is asked; one replica is warm in office hours; all of them work. */
export const situations = ['idle', 'office', 'load'] as const;
export type Situation = (typeof situations)[number];

export interface Line {
  readonly what: string;
  readonly month: Readonly<Record<Situation, number>>;
}

interface Amounts {
  readonly idle: number;
  readonly office?: number;
  readonly load?: number;
}

/** A price times amounts; what is not said is as it is when idle. */
function line(what: string, price: number, { idle, office = idle, load = idle }: Amounts): Line {
  return { what, month: { idle: price * idle, office: price * office, load: price * load } };
}

const count = (number: number, one: string, many = `${one}s`): string => `${number} ${number === 1 ? one : many}`;

/** Hours in a month between two cron times, such as `0 8 * * 1-5` and `0 20 * * 1-5`. */
export function officeHours(hours: WeirConfig['models']['officeHours']): number {
  if (!hours) return 0;
  const read = (cron: string): { at: number; days: string } => {
    const found = /^(\d+) (\d+) \* \* ([\d,*-]+)$/.exec(cron);
    if (!found) throw new Error(`no cost of office hours "${cron}": MINUTE HOUR * * DAYS is understood`);
    return { at: Number(found[2]) + Number(found[1]) / 60, days: found[3]! };
  };
  const [start, end] = [read(hours.start), read(hours.end)];
  const hoursOfDay = (end.at - start.at + 24) % 24 || 24;
  return (hoursOfDay * daysOfWeek(start.days) * hoursOfMonth) / (24 * 7);
}

function daysOfWeek(field: string): number {
  if (field === '*') return 7;
  return field.split(',').reduce((days, part) => {
    const [first, last = first] = part.split('-').map(Number) as [number, number?];
    return days + (last! - first + 1);
  }, 0);
}

export type GpuNode = Prices['gpuNodes'][number];

/** The cheapest node that fits one replica of a pool's models. */
export function cheapest(config: WeirConfig, prices: Prices, pool: Pick<GpuPool, 'gpus' | 'gpuMemoryMiB'>): GpuNode {
  const fitting = prices.gpuNodes.filter(
    ({ type, gpus, gpuMemoryMiB }) =>
      config.gpuPool.instanceFamilies.includes(type.split('.')[0]!) &&
      gpus === pool.gpus &&
      gpuMemoryMiB > pool.gpuMemoryMiB,
  );
  const [best] = fitting.sort((a, b) => gpuHour(config, a) - gpuHour(config, b));
  if (!best)
    throw new Error(
      `prices.json knows no node with ${pool.gpus} GPUs above ${pool.gpuMemoryMiB} MiB in ${config.gpuPool.instanceFamilies}`,
    );
  return best;
}

const isSpot = (config: WeirConfig): boolean => config.gpuPool.capacity.includes('spot');
const gpuHour = (config: WeirConfig, node: GpuNode): number => (isSpot(config) ? node.spot : node.onDemand);

export interface GpuUse {
  readonly pool: GpuPool;
  readonly node: GpuNode;
  readonly hours: Readonly<Record<Situation, number>>;
}

/** Hours of GPU nodes: warm ones of the chat model, and all of them under load. */
export function gpuUse(config: WeirConfig, prices: Prices, loadHours: number): GpuUse[] {
  const warm = poolName(config.models.chat);
  const office = officeHours(config.models.officeHours);
  return gpuPools(config).map((pool) => {
    const replicas = modelsOf(config)
      .filter((model) => poolName(model) === pool.name)
      .reduce((sum, { maxReplicas }) => sum + maxReplicas, 0);
    const always = pool.name === warm ? office : 0;
    // In the hours of load the warm one is among those that work.
    const load = replicas * loadHours + Math.max(0, always - loadHours);
    return { pool, node: cheapest(config, prices, pool), hours: { idle: 0, office: always, load } };
  });
}

export function costs(config: WeirConfig, prices: Prices, loadHours: number): Line[] {
  return [
    ...networkLines(config, prices),
    ...clusterLines(config, prices),
    ...gpuLines(config, prices, loadHours),
    ...storageLines(config, prices),
  ];
}

function networkLines({ network, router }: WeirConfig, prices: Prices): Line[] {
  const { idle, load } = prices.assumed;
  const endpoints = Object.keys(interfaceEndpoints(network)).length * 3;
  const isPublic = router.scheme === 'internet-facing';
  const addresses = network.natGateways + (isPublic ? 3 : 0);
  return [
    line(count(network.natGateways, 'NAT gateway'), prices.natGatewayHour * hoursOfMonth, { idle: network.natGateways }),
    line(`through it, ${idle.natGB} / ${load.natGB} GB`, prices.natGatewayGB, { idle: idle.natGB, load: load.natGB }),
    line(count(addresses, 'public address', 'public addresses'), prices.publicAddressHour * hoursOfMonth, {
      idle: addresses,
    }),
    line(`${endpoints} endpoints (${endpoints / 3} in 3 zones)`, prices.interfaceEndpointHour * hoursOfMonth, {
      idle: endpoints,
    }),
    line(`through them, ${idle.endpointGB} / ${load.endpointGB} GB`, prices.interfaceEndpointGB, {
      idle: idle.endpointGB,
      load: load.endpointGB,
    }),
    line(`load balancer (${router.scheme})`, prices.loadBalancerHour * hoursOfMonth, { idle: 1 }),
    line(
      `its capacity units, ${idle.loadBalancerUnits} / ${load.loadBalancerUnits}`,
      prices.loadBalancerUnitHour * hoursOfMonth,
      { idle: idle.loadBalancerUnits, load: load.loadBalancerUnits },
    ),
  ];
}

function priceOf(table: Readonly<Record<string, number>>, type: string): number {
  const price = table[type];
  if (price === undefined) throw new Error(`prices.json has no price of ${type}`);
  return price;
}

function clusterLines({ cluster, systemPool }: WeirConfig, prices: Prices): Line[] {
  const type = systemPool.instanceTypes[0]!;
  const { desired, max } = systemPool;
  const lines = [
    line('control plane', prices.controlPlaneHour * hoursOfMonth, { idle: 1 }),
    line(`${desired} (at most ${max}) system nodes ${type}`, priceOf(prices.nodes, type) * hoursOfMonth, {
      idle: desired,
      load: max,
    }),
  ];
  if (cluster.accessHost)
    lines.push(line(`access host ${prices.accessHostType}`, prices.accessHostHour * hoursOfMonth, { idle: 1 }));
  return lines;
}

function gpuLines(config: WeirConfig, prices: Prices, loadHours: number): Line[] {
  const kind = isSpot(config) ? 'Spot' : 'on demand';
  return gpuUse(config, prices, loadHours).flatMap(({ node, pool, hours }) => {
    const rounded = situations.map((situation) => Math.round(hours[situation])).join(' / ');
    const disk = (config.gpuPool.diskGiB * prices.gp3GiBMonth) / hoursOfMonth;
    return [
      line(`${pool.name}: ${node.type} ${kind}, ${rounded} h`, gpuHour(config, node), hours),
      line(`${pool.name}: their disks, ${config.gpuPool.diskGiB} GiB each`, disk, hours),
    ];
  });
}

function storageLines(config: WeirConfig, prices: Prices): Line[] {
  const { systemPool, observability } = config;
  const { langfuse, prometheus } = observability;
  const { assumed } = prices;
  const { desired, max, diskGiB } = systemPool;
  const clickhouse = langfuse.enabled ? langfuse.clickhouseDiskGiB : 0;
  const volumes = prometheus.diskGiB + clickhouse + assumed.otherVolumesGiB;
  const lines = [
    line(`disks of system nodes, ${diskGiB} GiB each`, prices.gp3GiBMonth * diskGiB, { idle: desired, load: max }),
    line(`volumes (metrics, Langfuse), ${volumes} GiB`, prices.gp3GiBMonth, { idle: volumes }),
    line(`buckets, ${assumed.bucketsGiB} GiB`, prices.s3GiBMonth, { idle: assumed.bucketsGiB }),
    line(`logs taken in, ${assumed.idle.logsGB} / ${assumed.load.logsGB} GB`, prices.logsGB, {
      idle: assumed.idle.logsGB,
      load: assumed.load.logsGB,
    }),
    line(`${assumed.keys} keys, ${assumed.secrets} secrets`, 1, {
      idle: assumed.keys * prices.keyMonth + assumed.secrets * prices.secretMonth,
    }),
  ];
  if (langfuse.enabled && langfuse.database === 'rds' && langfuse.rds) {
    const { instanceType, storageGiB, multiAz } = langfuse.rds;
    const type = `db.${instanceType.replace(/^db\./, '')}`;
    const month = priceOf(prices.databases, type) * hoursOfMonth + storageGiB * prices.databaseGiBMonth;
    lines.push(line(`database ${type}, ${storageGiB} GiB${multiAz ? ', twice' : ''}`, month, { idle: multiAz ? 2 : 1 }));
  }
  return lines;
}

const dollars = (amount: number): string => amount.toFixed(2);

/** The table of the documentation. */
export function table(config: WeirConfig, prices: Prices, loadHours: number): string {
  const lines = costs(config, prices, loadHours);
  const total = (situation: Situation) => lines.reduce((sum, { month }) => sum + month[situation], 0);
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const office = Math.round(officeHours(config.models.officeHours));
  const onDemand = gpuUse(config, prices, loadHours).reduce(
    (sum, { node, hours }) => sum + hours.load * (node.onDemand - node.spot),
    0,
  );
  return [
    row(['USD a month', 'idle', 'office hours', 'under load']),
    '|---|---:|---:|---:|',
    ...lines.map(({ what, month }) => row([what, ...situations.map((situation) => dollars(month[situation]))])),
    row(['**together**', ...situations.map((situation) => `**${dollars(total(situation))}**`)]),
    '',
    `Idle: no GPU node runs. Office hours: one warm replica for ${office} h. Under load: every replica for ${loadHours} h, and system nodes at their most.`,
    ...(isSpot(config) ? [`Were there no Spot capacity, load would cost ${dollars(onDemand)} more.`] : []),
    `Tokens of the cloud, taxes and traffic to the internet are not in it. Prices of ${prices.region}, ${prices.date}. ${prices.source}`,
    ...(config.region === prices.region ? [] : [`**This installation is in ${config.region}: change prices.json.**`]),
    '',
  ].join('\n');
}
