// What this installation is.  lib/config.ts explains every field, the README
// which ones to change first: domain, certificate, image, admin roles.
import type { WeirConfig } from './lib/config.ts';

export default {
  name: 'hybrid-llm',
  region: 'eu-central-1',
  availabilityZones: ['eu-central-1a', 'eu-central-1b', 'eu-central-1c'],
  network: {
    cidr: '10.40.0.0/16',
    natGateways: 1,
    endpoints: 'essential',
    flowLogDays: 30,
  },
  cluster: {
    version: '1.36',
    adminRoles: ['arn:aws:iam::111122223333:role/PlatformAdmin'],
    logDays: 30,
    accessHost: true,
  },
  systemPool: {
    instanceTypes: ['m7i.xlarge', 'm7i-flex.xlarge', 'm6i.xlarge'],
    min: 2,
    desired: 2,
    max: 4,
    diskGiB: 60,
  },
  gpuPool: {
    provisioner: 'karpenter',
    instanceFamilies: ['g5', 'g6', 'g6e'],
    capacity: ['spot', 'on-demand'],
    maxGpus: 4,
    diskGiB: 120,
    imageAlias: 'al2023@v20260801',
    emptyFor: '5m',
    expireAfter: '168h',
  },
  identity: 'pod-identity',
  models: {
    chat: {
      name: 'qwen2.5-7b-instruct',
      prefix: 'qwen2.5-7b-instruct',
      maxModelLen: 8192,
      gpus: 1,
      gpuMemoryMiB: 20000,
      maxReplicas: 4,
    },
    officeHours: { timezone: 'Europe/Berlin', start: '0 8 * * 1-5', end: '0 20 * * 1-5' },
  },
  router: {
    domain: 'llm.example.com',
    certificateArn:
      'arn:aws:acm:eu-central-1:111122223333:certificate/00000000-0000-0000-0000-000000000000',
    scheme: 'internal',
    inboundCidrs: ['10.0.0.0/8'],
    image: { repository: '111122223333.dkr.ecr.eu-central-1.amazonaws.com/weir', tag: '1.0.0' },
    callers: [{ name: 'default' }],
    replicas: { min: 2, max: 6 },
    longestStreamSeconds: 300,
  },
  observability: {
    prometheus: { retentionDays: 15, diskGiB: 50 },
    traceDays: 7,
    cloudUsdPerDay: 50,
    langfuse: {
      enabled: true,
      adminEmail: 'platform@example.com',
      database: 'cluster',
      clickhouseDiskGiB: 50,
      keepers: 1,
    },
  },
  budget: { monthlyUsd: 2000, emails: ['platform@example.com'] },
} satisfies WeirConfig as WeirConfig;
