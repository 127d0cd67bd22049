import { metricsOf } from "@medvault/service-kit";

/** What an app shows of a metric under these labels; undefined: nothing is known. */
export async function metricOf(
  app: object,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number | undefined> {
  const { values = [] } = (await metricsOf(app).getSingleMetric(name)?.get()) ?? {};
  const wanted = Object.entries(labels);
  return values.find((one) => wanted.every(([label, value]) => String(one.labels[label]) === value))?.value;
}
