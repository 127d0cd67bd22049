import { looked, type Metric } from "@medvault/runtime";
import type { Context } from "../context.ts";
import { brokenGlass } from "./break-glass.store.ts";

/** What alerts look at: an emergency is to be seen at once, and reviewed soon. */
export function breakGlassMetrics({ pool }: Context): Metric[] {
  const found = looked(() => brokenGlass(pool));
  return [
    {
      name: "break_glass_running",
      help: "Charts that someone reaches by an emergency now; at most 1,000 are counted.",
      read: async () => (await found())?.running,
    },
    {
      name: "break_glass_unreviewed_seconds",
      help: "Since the oldest emergency that nobody has reviewed; 0 where there is none.",
      read: async () => (await found())?.unreviewedS,
    },
  ];
}
