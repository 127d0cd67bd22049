import { expect, test } from "vitest";
import { untilReady } from "./ready.ts";

const answers = (...states: Record<string, string>[]) => {
  let at = 0;
  return async () => {
    const checks = states[Math.min(at++, states.length - 1)] ?? {};
    const isOk = Object.values(checks).every((state) => state === "ok");
    return { status: isOk ? "ok" : "degraded", checks };
  };
};

test("a start is done once all is ok", async () => {
  expect(
    await untilReady(answers({ audit: "down" }, { audit: "degraded" }, { audit: "ok" }), "logs", 5_000),
  ).toBeNull();
});

test("a parked message of another day keeps nothing from starting, and is said", async () => {
  expect(await untilReady(answers({ audit: "degraded", auth: "ok" }), "logs", 300)).toBe("audit is degraded");
});

test("a part that is down is no start, whatever else is degraded", async () => {
  const down = answers({ audit: "degraded", auth: "down" });
  await expect(untilReady(down, "logs", 100, 1_000)).rejects.toThrow("auth is down");
  await expect(untilReady(async () => null, "logs", 100, 500)).rejects.toThrow("no answer");
});
