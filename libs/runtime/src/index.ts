export { createServiceApp } from "./app.ts";
export { startConsumers } from "./consumers.ts";
export type { Job } from "./job.ts";
export { createJobs, type Jobs, type JobsOptions } from "./jobs.service.ts";
export { connectRedis, type RedisOptions } from "./redis.client.ts";
export { defineProcess, type ProcessDeclaration, type ProcessParts, run } from "./run.ts";
export {
  type Check,
  type Consumption,
  defineService,
  type HeldConsumer,
  type Parts,
  type Service,
  type ServiceDeclaration,
} from "./service.ts";
