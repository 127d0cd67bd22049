import { newId } from "@medvault/contracts";
import { metricsOf } from "@medvault/service-kit";
import { expect, test } from "vitest";
import { givenGateway } from "../../test/harness.ts";

const edge = await givenGateway();
const doctor = await edge.signIn("doctor");

test("requests are measured by the template of their route, whatever became of them, and never by an id", async () => {
  const [one, other] = [newId(), newId()];
  for (const id of [one, other]) await edge.call(`/v1/patients/${id}`, { as: doctor });
  await edge.call(`/v1/patients/${one}`);
  await edge.call(`/v1/patients/${one}?q=${encodeURIComponent("' or 1=1 --")}`, { as: doctor });
  await edge.call(`/v1/nothing/${one}`);
  await edge.call("/docs");
  const metrics = await metricsOf(edge.gateway.app).metrics();
  const count = (method: string, route: string, status: number) =>
    new RegExp(`_count{method="${method}",route="${route}",status="${status}"} (\\d+)`).exec(metrics)?.[1];
  expect(count("GET", "/v1/patients/{id}", 200)).toBe("2");
  expect(count("GET", "/v1/patients/{id}", 401)).toBe("1");
  expect(count("GET", "/v1/patients/{id}", 400)).toBe("1");
  expect(count("GET", "none", 404)).toBe("1");
  expect(count("GET", "/docs", 200)).toBe("1");
  for (const id of [one, other]) expect(metrics).not.toContain(id);
});
