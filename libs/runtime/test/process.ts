/** A process of its own settings, for tests that look at how one ends. */
import { CommonConfig, urlOf } from "@medvault/service-kit";
import { z } from "zod";
import { defineProcess, run } from "../src/index.ts";

const config = CommonConfig.pick({ HOST: true, PORT: true, ADMIN_PORT: true, LOG_LEVEL: true }).extend({
  NODE_ENV: z.string().default("test"),
  REDIS_URL: urlOf("redis"),
  MEDVAULT_TEST_COUNT: z.coerce.number().max(5),
});
await run(
  defineProcess({
    name: "fixture",
    config,
    open: async () => {
      throw new Error("nothing is here");
    },
  }),
);
