import { metricsOf } from "@medvault/service-kit";
import { expect, test, vi } from "vitest";
import { givenGateway, now, problemOf } from "../../test/harness.ts";

const edge = await givenGateway();
const doctor = await edge.signIn("doctor");
const { auth, records, files } = edge.services;

async function readyz(): Promise<{ status: string; checks: Record<string, string> }> {
  return (await (await edge.call("/readyz")).json()) as never;
}

test("a service 20 s behind or a minute ahead signs nobody out: 503 clock_skew, named by readyz and metrics within 5 s", async () => {
  for (const clockMs of [-20_000, 60_000]) {
    records.clockMs = clockMs;
    for (let i = 0; i < 15; i++) {
      const answer = await edge.call("/v1/patients", { as: doctor });
      expect(answer.headers.get("retry-after")).toBe("10");
      expect(answer.headers.has("www-authenticate")).toBe(false);
      expect(await problemOf(answer)).toEqual([503, "clock_skew"]);
    }
    await vi.waitFor(
      async () =>
        expect(await readyz()).toMatchObject({
          status: "degraded",
          checks: { records: "degraded", records_clock_skew: "degraded", files: "ok" },
        }),
      5_000,
    );
    const gauge = await metricsOf(edge.gateway.app).getSingleMetric("gateway_clock_skew_seconds")?.get();
    const skewS = gauge?.values.find(({ labels }) => labels.upstream === "records")?.value;
    expect(Math.abs(Number(skewS) - clockMs / 1_000)).toBeLessThan(2);
    expect((await edge.call("/v1/files?patientId=x", { as: doctor })).status).toBe(200);
    records.clockMs = 0;
    expect((await edge.call("/v1/patients", { as: doctor })).status).toBe(200);
    await vi.waitFor(async () => expect((await readyz()).status).toBe("ok"), 5_000);
  }
});

test("clocks that differ by 4 s in either direction work, and readyz is ok", async () => {
  for (const clockMs of [-4_000, 4_000]) {
    files.clockMs = clockMs;
    for (let i = 0; i < 3; i++) {
      expect((await edge.call("/v1/files?patientId=x", { as: doctor })).status).toBe(200);
    }
    await new Promise((resolve) => setTimeout(resolve, 600)); // what readyz keeps
    expect((await readyz()).status).toBe("ok");
  }
  files.clockMs = 0;
});

test("while auth's clock is off, its tokens and sessions are 503 and not 401; once it is right again, 401", async () => {
  const token = await edge.auth.token({
    sub: doctor.sub,
    sid: doctor.sid,
    role: "doctor",
    scope: "",
    iat: now() + 60,
  });
  const unknown = await edge.signIn("doctor", { cached: false });
  expect((await edge.call("/v1/patients", { as: token })).status).toBe(401);
  auth.clockMs = 60_000;
  await vi.waitFor(async () => expect((await readyz()).checks).toHaveProperty("auth_clock_skew"), 5_000);
  expect(await problemOf(await edge.call("/v1/patients", { as: token }))).toEqual([503, "clock_skew"]);
  expect(await problemOf(await edge.call("/v1/patients", { as: unknown }))).toEqual([503, "clock_skew"]);
  auth.clockMs = 0;
  await vi.waitFor(async () => expect((await readyz()).checks).not.toHaveProperty("auth_clock_skew"), 5_000);
  expect((await edge.call("/v1/patients", { as: token })).status).toBe(401);
});
