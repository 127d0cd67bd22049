import { expect, test } from "vitest";
import { z } from "zod";
import { CommonConfig, ConfigError, loadConfig } from "./config.ts";

const GOOD = {
  PORT: "8081",
  ADMIN_PORT: "9081",
  DATABASE_URL: "postgres://u:p@127.0.0.1/db",
  AMQP_URL: "amqp://u:p@127.0.0.1/v",
  MEDVAULT_ASSERTION_JWKS_FILE: "/keys/gateway.jwks.json",
};

test("good settings are read, converted and given their defaults", () => {
  expect(loadConfig(CommonConfig, GOOD)).toMatchObject({ PORT: 8081, HOST: "127.0.0.1", LOG_LEVEL: "info" });
});

test("every bad setting is named at once, and no value is shown", () => {
  const schema = CommonConfig.extend({ EXTRA_SECRET: z.string().min(40), RATE: z.coerce.number().max(10) });
  const env = {
    ...GOOD,
    PORT: "hunter2-port",
    DATABASE_URL: "mysql://root:hunter2@db/x",
    LOG_LEVEL: "hunter2-level",
    EXTRA_SECRET: "hunter2",
    RATE: "99",
    AMQP_URL: undefined,
  };
  let thrown: unknown;
  try {
    loadConfig(schema, env);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(ConfigError);
  const { settings, message } = thrown as ConfigError;
  expect([...settings].sort()).toEqual([
    "AMQP_URL",
    "DATABASE_URL",
    "EXTRA_SECRET",
    "LOG_LEVEL",
    "PORT",
    "RATE",
  ]);
  expect(message).not.toContain("hunter2");
  expect(message).toContain("AMQP_URL (missing)");
});

test("an empty setting counts as not set", () => {
  expect(() => loadConfig(CommonConfig, { ...GOOD, MEDVAULT_ASSERTION_JWKS_FILE: "" })).toThrow(
    /JWKS_FILE \(missing\)/,
  );
  expect(loadConfig(CommonConfig, { ...GOOD, LOG_LEVEL: "" }).LOG_LEVEL).toBe("info");
});
