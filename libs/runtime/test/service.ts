/** A whole service with nothing of its own but a consumer and a job, for tests of a process. */
import { auditEvent, defineRoutes } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import { CommonConfig, route } from "@medvault/service-kit";
import { z } from "zod";
import { defineService, type HeldConsumer, type Parts, run } from "../src/index.ts";

const api = defineRoutes({
  announce: {
    method: "POST",
    path: "/v1/files/announce",
    summary: "Announce",
    response: z.object({ consuming: z.boolean() }),
  },
});
const TYPE = "medvault.files.demo.made.v1";
let consumer: HeldConsumer | null = null;

/** Announces something to the service itself, and turns its consumption on. */
async function announce({ pool }: Parts) {
  const made = auditEvent(null, { type: TYPE, subject: "demo/1", action: "demo:make", audience: "domain" });
  await inTransaction(pool, (tx) => emit(tx, "files", made));
  consumer?.start();
  return { body: { consuming: consumer !== null } };
}

await run(
  defineService({
    name: "files",
    config: CommonConfig,
    open: (parts) => {
      parts.onStop(() => process.stdout.write("own step\n"));
      return parts;
    },
    routes: (parts) => [route(api.announce, () => announce(parts))],
    consumers: () => [
      {
        queue: "medvault.files.demo",
        bindings: [TYPE],
        handle: async (events) => void process.stdout.write(`handled ${events.length}\n`),
        held: (given) => {
          consumer = given;
        },
      },
    ],
    jobs: () => [
      {
        name: "hello",
        every: 3_600_000,
        exclusive: true,
        run: async () => void process.stdout.write("job ran\n"),
      },
    ],
  }),
);
