import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { CommonConfig, ConfigError, loadConfig, places, urlOf } from "./config.ts";

const GOOD = {
  NODE_ENV: "test",
  PORT: "8081",
  ADMIN_PORT: "9081",
  DATABASE_URL: "postgres://u:p@127.0.0.1/db",
  AMQP_URL: "amqp://u:p@127.0.0.1/v",
  MEDVAULT_ASSERTION_JWKS_FILE: "/keys/gateway.jwks.json",
};

test("good settings are read, converted and given their defaults", () => {
  expect(loadConfig(CommonConfig, GOOD)).toMatchObject({ PORT: 8081, HOST: "127.0.0.1", LOG_LEVEL: "info" });
});

test("several servers are given as host:port, and anything else is refused", () => {
  const read = (text: string) => loadConfig(z.object({ NODES: places }), { NODES: text }).NODES;
  expect(read("one.example:1, two:65535,[::1]:3")).toEqual([
    { host: "one.example", port: 1 },
    { host: "two", port: 65_535 },
    { host: "::1", port: 3 },
  ]);
  for (const wrong of [
    "one",
    "one:",
    ":1",
    "one:65536",
    "one:1,",
    "u:p@one:1",
    "one:1/x",
    "one:1?x",
    "tcp://one:1",
  ])
    expect(() => read(wrong), wrong).toThrow("NODES (must be host:port, separated by commas)");
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
  expect(message).toContain("AMQP_URL (missing: RabbitMQ");
});

test("an empty setting counts as not set", () => {
  expect(() => loadConfig(CommonConfig, { ...GOOD, MEDVAULT_ASSERTION_JWKS_FILE: "" })).toThrow(
    /JWKS_FILE \(missing: /,
  );
  expect(loadConfig(CommonConfig, { ...GOOD, LOG_LEVEL: "" }).LOG_LEVEL).toBe("info");
});

test("a setting's value may be in a file that NAME_FILE names; what cannot be read, or is said twice, is a fault", () => {
  const dir = mkdtempSync(path.join(tmpdir(), "medvault-config-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const file = path.join(dir, "amqp-url");
  writeFileSync(file, "amqp://hunter2:p@127.0.0.1/v\n");
  const { AMQP_URL: _, ...rest } = GOOD;
  const read = (env: Record<string, string>) => loadConfig(CommonConfig, { ...rest, ...env });
  expect(read({ AMQP_URL_FILE: file }).AMQP_URL).toBe("amqp://hunter2:p@127.0.0.1/v");
  expect(() => read({ AMQP_URL_FILE: path.join(dir, "none") })).toThrow(
    "bad settings: AMQP_URL_FILE (must name a file that can be read)",
  );
  expect(() => read({ AMQP_URL_FILE: file, AMQP_URL: "amqp://x" })).toThrow(
    "bad settings: AMQP_URL_FILE (is set, and AMQP_URL too: leave one out)",
  );
  // What is in a file is held to the same rules, and not shown.
  writeFileSync(file, "hunter2");
  expect(() => read({ AMQP_URL_FILE: file })).toThrow(
    "bad settings: AMQP_URL (must be a URL with amqp or amqps)",
  );
  writeFileSync(file, "amqp://plain");
  expect(() => read({ AMQP_URL_FILE: file, NODE_ENV: "production" })).toThrow("AMQP_URL (is not TLS");
  // A setting of that name keeps its own meaning: the keys' file is not their content.
  expect(read({ AMQP_URL: "amqp://x", MEDVAULT_KEYS_FILE: file }).MEDVAULT_KEYS).toBeUndefined();
});

/** A service, and a service that calls others, as production wants them. */
const Schema = CommonConfig.extend({
  REDIS_URL: urlOf("redis", "rediss"),
  MEDVAULT_AUTH_URL: urlOf("http", "https"),
  MEDVAULT_PUBLIC_URL: urlOf("http", "https").default("http://127.0.0.1:8080"),
});
const IN_PRODUCTION = {
  ...GOOD,
  NODE_ENV: "production",
  DATABASE_URL: "postgres://u:hunter2@db.example/medvault?sslmode=verify-full",
  REDIS_URL: "rediss://:hunter2@redis.example/0",
  AMQP_URL: "amqps://u:hunter2@mq.example/v",
  MEDVAULT_AUTH_URL: "https://auth.example:8443",
  MEDVAULT_PUBLIC_URL: "https://medvault.example",
  MEDVAULT_TLS_CERT_FILE: "/tls/tls.crt",
  MEDVAULT_TLS_KEY_FILE: "/tls/tls.key",
  MEDVAULT_TLS_CLIENT_CA_FILE: "/tls/ca.crt",
};

function badSettings(env: Record<string, string | undefined>): { settings: string[]; message: string } {
  try {
    loadConfig(Schema, env);
  } catch (error) {
    if (error instanceof ConfigError) return { settings: error.settings.toSorted(), message: error.message };
    throw error;
  }
  return { settings: [], message: "" };
}

test("in production, and without NODE_ENV, every connection that is not TLS is named at once, with what to do", () => {
  expect(badSettings(IN_PRODUCTION).settings).toEqual([]);
  expect(badSettings({ ...IN_PRODUCTION, NODE_ENV: undefined }).settings).toEqual([]);
  for (const NODE_ENV of ["production", undefined]) {
    const { settings, message } = badSettings({
      ...GOOD,
      NODE_ENV,
      REDIS_URL: "redis://:hunter2@r/0",
      MEDVAULT_AUTH_URL: "http://a",
      LOG_LEVEL: "loud",
      NODE_TLS_REJECT_UNAUTHORIZED: "0",
    });
    expect(settings).toEqual([
      "AMQP_URL",
      "DATABASE_URL",
      "LOG_LEVEL",
      "MEDVAULT_AUTH_URL",
      "MEDVAULT_PUBLIC_URL",
      "MEDVAULT_TLS_CERT_FILE",
      "MEDVAULT_TLS_CLIENT_CA_FILE",
      "MEDVAULT_TLS_KEY_FILE",
      "NODE_TLS_REJECT_UNAUTHORIZED",
      "REDIS_URL",
    ]);
    for (const words of ["sslmode=verify-full", "rediss://", "amqps://", "https://"])
      expect(message).toContain(words);
    expect(message).not.toContain("hunter2");
  }
});

test.each([
  ["DATABASE_URL", "postgres://u:p@db/x?sslmode=require"],
  ["DATABASE_URL", "postgres://u:p@db/x?sslmode=verify-ca"],
  ["DATABASE_URL", "postgres://u:p@db/x?sslmode=no-verify"],
  ["DATABASE_URL", "postgres://u:p@db/x?sslmode=verify-full&sslmode=disable"],
  ["DATABASE_URL", "postgres://u:p@db/x?ssl=true"],
  ["REDIS_URL", "rediss://r/0?tls=x"],
  ["AMQP_URL", "amqp://m/v"],
  ["MEDVAULT_AUTH_URL", "http://auth.example"],
  ["MEDVAULT_PUBLIC_URL", "http://medvault.example"],
  ["MEDVAULT_TLS_KEY_FILE", ""],
  ["MEDVAULT_TLS_CLIENT_CA_FILE", ""],
])("production refuses %s = %j, and development does not mind", (name, value) => {
  expect(badSettings({ ...IN_PRODUCTION, [name]: value }).settings).toEqual([name]);
  expect(badSettings({ ...IN_PRODUCTION, [name]: value, NODE_ENV: "development" }).settings).toEqual([]);
});
