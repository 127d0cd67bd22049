import { loadConfig } from "@medvault/service-kit";
import { expect, test } from "vitest";
import { GatewayConfig, idleTimeoutOf } from "./config.ts";

const url = "http://127.0.0.1:1";
const NEEDED = {
  NODE_ENV: "test",
  PORT: "0",
  ADMIN_PORT: "0",
  AMQP_URL: "amqp://127.0.0.1",
  REDIS_URL: "redis://127.0.0.1",
  MEDVAULT_AUTH_URL: url,
  MEDVAULT_RECORDS_URL: url,
  MEDVAULT_FILES_URL: url,
  MEDVAULT_AUDIT_URL: url,
  MEDVAULT_BACKUP_URL: url,
  MEDVAULT_KEYS_FILE: "gateway.json",
};
const idleTimeout = (settings: Record<string, string>) =>
  idleTimeoutOf(loadConfig(GatewayConfig, { ...NEEDED, ...settings }));

test("the idle timeout has its default, its setting, and the setting's former name", () => {
  expect(idleTimeout({})).toBe(30_000);
  expect(idleTimeout({ MEDVAULT_GATEWAY_IDLE_TIMEOUT_MS: "5000" })).toBe(5_000);
  expect(idleTimeout({ MEDVAULT_GATEWAY_STANDSTILL_MS: "7000" })).toBe(7_000);
  const both = { MEDVAULT_GATEWAY_IDLE_TIMEOUT_MS: "5000", MEDVAULT_GATEWAY_STANDSTILL_MS: "7000" };
  expect(idleTimeout(both)).toBe(5_000);
});

test("a bad idle timeout is named by the name that was used", () => {
  for (const name of ["MEDVAULT_GATEWAY_IDLE_TIMEOUT_MS", "MEDVAULT_GATEWAY_STANDSTILL_MS"]) {
    expect(() => idleTimeout({ [name]: "1" })).toThrow(name);
  }
});

test("a trusted proxy that is no address is named at boot, and not shown", () => {
  expect(() => loadConfig(GatewayConfig, { MEDVAULT_TRUSTED_PROXIES: "10.0.0.0/8, secret.example" })).toThrow(
    expect.objectContaining({
      settings: expect.arrayContaining(["MEDVAULT_TRUSTED_PROXIES", "PORT", "REDIS_URL"]),
      message: expect.not.stringContaining("secret"),
    }),
  );
});
