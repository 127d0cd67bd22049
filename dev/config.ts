import { loadConfig, readableFile, urlOf, wholeNumber } from "@medvault/service-kit";
import { z } from "zod";

/** What `npm start` itself reads; every other setting goes on to the services that declare it. */
export const StartConfig = z.object({
  MEDVAULT_PORT: wholeNumber(1, 65_535).default(8080).describe("the gateway's port, on 127.0.0.1"),
  MEDVAULT_DATA: z.string().default(".data").describe("where all data is kept"),
  MEDVAULT_DEMO: z.enum(["0", "1"]).default("1").describe("`0`: no demo, only the first admin is made"),
  MEDVAULT_BASE_PORT: wholeNumber(1_024, 65_496).optional().meta({
    description: "the first of 40 internal ports",
    shownDefault: "chosen and remembered",
  }),
  MEDVAULT_MIN_FREE_MIB: wholeNumber(0, Number.MAX_SAFE_INTEGER).optional().meta({
    description: "the free space on disk that a start asks for",
    shownDefault: "1500 at the first start, then 300",
  }),
  DATABASE_URL: urlOf("postgres", "postgresql")
    .optional()
    .describe(
      "use this PostgreSQL, as superuser, and start none; `?prepared_statements=off` behind a pooler that knows none (docs/scaling.md)",
    ),
  REDIS_URL: urlOf("redis", "rediss").optional().describe("use this Redis, and start none"),
  AMQP_URL: urlOf("amqp", "amqps")
    .optional()
    .describe("use this RabbitMQ, as an administrator, and start none"),
  MEDVAULT_RABBITMQ_URL: urlOf("http", "https")
    .optional()
    .meta({ description: "the management API of that RabbitMQ", shownDefault: "port 15672 of its host" }),
  MEDVAULT_TLS_CA_FILE: readableFile.optional().describe("the CA of given servers that speak TLS"),
});

/** What tests, checks and docker compose read. */
export const DevConfig = z.object({
  MEDVAULT_GENERATED_REQUESTS: z.string().describe("how many generated requests e2e sends"),
  MEDVAULT_GENERATED_SEED: z.string().describe("the seed that makes them the same again"),
  MEDVAULT_STANDBY_ROUNDS: z
    .string()
    .describe("how many times the audit log's writer is struck, with the default lease"),
  MEDVAULT_STANDBY_SEED: z.string().describe("the seed that makes the moments the same again"),
  MEDVAULT_TEST_DATABASE_URL: z.string().describe("PostgreSQL of the tests"),
  MEDVAULT_TEST_REDIS_URL: z.string().describe("their Redis"),
  MEDVAULT_TEST_AMQP_URL: z.string().describe("their RabbitMQ"),
  MEDVAULT_TEST_RABBITMQ_URL: z.string().describe("its management API"),
  MEDVAULT_TEST_JSON: z.string().describe("where a test run leaves its results"),
  MEDVAULT_CHECK_JSON: z.string().describe("where a check leaves its results"),
  MEDVAULT_E2E_OPS: z.string().describe("ops.json of a MedVault that e2e is to use, and not start one"),
  MEDVAULT_COMPOSE_PASSWORD: z.string().describe("the servers' password in dev/docker-compose.yml"),
  MEDVAULT_PUBLISH: z.string().describe("address and port of the gateway with docker-compose.yml"),
});

/** The key by which the gateway proves to a job of `npm start` that it is its own. */
export function proofKey(): string {
  return loadConfig(z.object({ MEDVAULT_PROOF_KEY: z.string() }), process.env).MEDVAULT_PROOF_KEY;
}
