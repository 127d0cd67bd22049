import { loadConfig } from "@medvault/service-kit";
import type { z } from "zod";

/** A service's settings, from process.env. Throws ConfigError, which names every bad one. */
export function readConfig<C extends z.ZodObject>(schema: C): z.infer<C> {
  return loadConfig(schema, process.env);
}
