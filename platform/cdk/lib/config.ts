// The one description of an installation: weir.config.ts is an object of this
// type, and every stack reads it.  The type says what may stand there;
// check.ts says what must be true of it.

export interface WeirConfig {
  /** Name of the cluster, and of what is named after it in the account. */
  readonly name: string;
  readonly region: string;
  /** Twelve digits.  With it a deployment into another account is refused. */
  readonly account?: string;
  /** Three zones of the region; without them CDK would take two. */
  readonly availabilityZones: readonly string[];
  /** Put on everything that can be tagged. */
  readonly tags?: Readonly<Record<string, string>>;
  readonly network: NetworkConfig;
  readonly cluster: ClusterConfig;
  readonly systemPool: SystemPoolConfig;
  readonly gpuPool: GpuPoolConfig;
  /** How pods become an IAM role. */
  readonly identity: 'pod-identity' | 'irsa';
  readonly models: ModelsConfig;
  readonly router: RouterConfig;
  readonly observability: ObservabilityConfig;
  readonly budget?: BudgetConfig;
}

export interface NetworkConfig {
  readonly cidr: string;
  /** One is cheaper; one in each zone survives the loss of a zone. */
  readonly natGateways: number;
  /**
   * `essential`: S3, ECR and STS, where the gigabytes of images and weights
   * go.  `all`: also what nodes and controllers call, so that none of it
   * depends on a NAT gateway.
   */
  readonly endpoints: 'essential' | 'all';
  readonly flowLogDays: number;
}

export interface ClusterConfig {
  readonly version: '1.35' | '1.36';
  /** ARNs of the IAM roles that administer the cluster. */
  readonly adminRoles: readonly string[];
  readonly logDays: number;
  /**
   * A small instance without any open port, for `aws ssm start-session`: the
   * way from outside to the API, which is private.
   */
  readonly accessHost: boolean;
  /** Versions of the EKS add-ons; what is left out gets the default of EKS. */
  readonly addonVersions?: Readonly<Partial<Record<AddonName, string>>>;
}

export type AddonName =
  | 'vpc-cni'
  | 'kube-proxy'
  | 'eks-pod-identity-agent'
  | 'coredns'
  | 'metrics-server'
  | 'aws-ebs-csi-driver';

export interface SystemPoolConfig {
  readonly instanceTypes: readonly string[];
  readonly min: number;
  readonly desired: number;
  readonly max: number;
  readonly diskGiB: number;
}

export interface GpuPoolConfig {
  /**
   * `karpenter` starts and ends nodes by what waits.  `managed` makes a node
   * group of Auto Scaling from 0, which nothing here scales: for people who
   * bring the Cluster Autoscaler.
   */
  readonly provisioner: 'karpenter' | 'managed';
  /** Families such as g5, for Karpenter; which sizes of them, the models say. */
  readonly instanceFamilies: readonly string[];
  /** The exact types of a managed group; Karpenter chooses by itself. */
  readonly instanceTypes?: readonly string[];
  readonly capacity: readonly ('spot' | 'on-demand')[];
  /** No more GPUs than this run at the same time, for all models together. */
  readonly maxGpus: number;
  readonly diskGiB: number;
  /** A release of the EKS image, such as al2023@v20260801; never @latest. */
  readonly imageAlias: string;
  /** How long a node stays after its last pod, such as 5m. */
  readonly emptyFor: string;
  /** The age at which a node is replaced, such as 168h. */
  readonly expireAfter: string;
}

export interface ModelsConfig {
  /** An existing bucket with the weights; without it one is made. */
  readonly bucket?: string;
  /** The key that encrypts the existing bucket; without it that has none of its own. */
  readonly bucketKeyArn?: string;
  /** Another image of vLLM: a mirror of your own, a digest. */
  readonly image?: { readonly repository?: string; readonly tag?: string; readonly digest?: string };
  /** The model that answers by default. */
  readonly chat: ModelConfig;
  /** A second model for code, on a GPU of its own. */
  readonly code?: ModelConfig;
  /** A model that takes several GPUs of one node (tensor parallel). */
  readonly large?: ModelConfig;
  /** When one warm replica is kept. */
  readonly officeHours?: { readonly timezone: string; readonly start: string; readonly end: string };
}

export interface ModelConfig {
  /** The name that callers use. */
  readonly name: string;
  /** The folder in the bucket. */
  readonly prefix: string;
  readonly maxModelLen: number;
  /** GPUs of one replica, all of one node. */
  readonly gpus: number;
  /** Each of them has more memory than this. */
  readonly gpuMemoryMiB: number;
  readonly maxReplicas: number;
  /** How much room the weights need, in GiB, if it is not what the chart says. */
  readonly weightsGiB?: number;
  /** The SHA-256 of the file SHA256SUMS beside the weights: nobody exchanges both. */
  readonly manifestSha256?: string;
  /** What one replica costs for an hour, in USD: reports compare it with the cloud. */
  readonly pricePerHour?: number;
}

export interface RouterConfig {
  /** The name that the certificate is for. */
  readonly domain: string;
  /** In AWS Certificate Manager, in this region. */
  readonly certificateArn: string;
  readonly scheme: 'internal' | 'internet-facing';
  /** Who may connect to the load balancer at all. */
  readonly inboundCidrs: readonly string[];
  /** A web ACL of WAF, for the load balancer. */
  readonly webAclArn?: string;
  /** With a digest what runs is what was tested, whatever becomes of the tag. */
  readonly image: { readonly repository: string; readonly tag: string; readonly digest?: string };
  /** Who may ask.  Each gets a key of its own, made in Secrets Manager; there is at least one. */
  readonly callers: readonly Caller[];
  readonly replicas: { readonly min: number; readonly max: number };
  /** The longest stream that a shutdown waits for, in seconds. */
  readonly longestStreamSeconds: number;
}

export interface Caller {
  /** Small letters, digits and dashes. */
  readonly name: string;
  /** Keeps all of this caller's requests in the house, or out of it. */
  readonly policy?: 'local-only' | 'cloud-only';
}

export interface ObservabilityConfig {
  readonly prometheus: { readonly retentionDays: number; readonly diskGiB: number };
  readonly traceDays: number;
  /** What the cloud's models may cost in a day, in USD, before an alert says so. */
  readonly cloudUsdPerDay?: number;
  readonly langfuse: LangfuseConfig;
}

export interface LangfuseConfig {
  readonly enabled: boolean;
  /** The first user, who administers it; his password is in Secrets Manager. */
  readonly adminEmail: string;
  /** Where people open it, if there is such a place: after the login they are sent there. */
  readonly publicUrl?: string;
  /** PostgreSQL in the cluster, or Amazon RDS. */
  readonly database: 'cluster' | 'rds';
  readonly rds?: { readonly instanceType: string; readonly storageGiB: number; readonly multiAz: boolean };
  readonly clickhouseDiskGiB: number;
  /** Keepers of ClickHouse: 1 or 3. */
  readonly keepers: 1 | 3;
}

export interface BudgetConfig {
  readonly monthlyUsd: number;
  /** Told at 80 % and at the forecast of 100 %. */
  readonly emails: readonly string[];
}
