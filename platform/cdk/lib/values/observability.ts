// Our own chart of dashboards and rules, platform/observability.
import type { WeirConfig } from '../config.ts';

export function observabilityValues({ models, observability }: WeirConfig) {
  const { langfuse, cloudUsdPerDay } = observability;
  const gpu = models.chat.pricePerHour;
  return {
    dashboards: {
      ...(langfuse.publicUrl ? { langfuseUrl: langfuse.publicUrl } : {}),
      ...(gpu === undefined ? {} : { gpuNodeHourDollars: gpu }),
    },
    ...(cloudUsdPerDay === undefined ? {} : { budget: { dailyDollars: cloudUsdPerDay } }),
  };
}
