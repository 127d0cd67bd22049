import { CHART } from "../resources/chart.ts";
import { type Found, isDamaged } from "../resources/damaged-row.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { Entry } from "./chart-entry.ts";

/**
 * A patient of a merged chart, who says which other Patients of the bundle are the same person: the
 * surviving one `replaces` the others, each of them is `replaced-by` it. Beside what came, and only
 * in what is sent. `urls` has how the chart's patients are called, by their ids.
 */
export function linkedEntry(entry: Entry, row: Found<Row>, urls: ReadonlyMap<string, string>): Entry {
  const chart = row[CHART];
  if (!chart?.mergedFrom || isDamaged(row)) return entry;
  const [type, others] = row.id === chart.id ? ["replaces", chart.mergedFrom] : ["replaced-by", [chart.id]];
  const links = others.map((id) => ({ other: { reference: urls.get(id) ?? `urn:uuid:${id}` }, type }));
  const own = Array.isArray(entry.resource.link) ? entry.resource.link : [];
  return { ...entry, resource: { ...entry.resource, link: [...own, ...links] } };
}
