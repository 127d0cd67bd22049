export { createServiceApp } from "./app.ts";
export { startConsumers } from "./consumers.ts";
export type { Job } from "./job.ts";
export { looked } from "./metrics.ts";
export { runOnce } from "./one-shot.ts";
export { connectRedis } from "./redis.client.ts";
export { defineProcess, type ProcessParts, run } from "./run.ts";
export {
  type Consumption,
  defineService,
  type HeldConsumer,
  type Metric,
  type Parts,
  type Sample,
  type ServiceDeclaration,
} from "./service.ts";
