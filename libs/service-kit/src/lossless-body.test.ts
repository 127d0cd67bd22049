import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { doc, startService } from "../test/harness.ts";
import { route } from "./route.ts";

const Any = z.looseObject({});

let service: Awaited<ReturnType<typeof startService>>;
beforeAll(async () => {
  service = await startService(
    [
      route({ ...doc("POST", "/v1/exact"), request: Any, response: Any }, async ({ body }) => ({ body })),
      route({ ...doc("POST", "/v1/plain"), request: Any, response: Any }, async ({ body }) => ({ body })),
    ],
    { isLossless: ({ path }) => path === "/v1/exact", jsonLimitBytes: 1_000 },
  );
});
afterAll(() => service.close());

const post = (path: string, body: string | Uint8Array<ArrayBuffer>, type = "application/json") =>
  service.call(path, { method: "POST", body, headers: { "content-type": type } });

test("a body that is read with its digits is answered with them; any other as JavaScript spells it", async () => {
  const text = '{"a":[1.00,1e2,12345678901234567890],"b":"1.00"}';
  const [exact, plain] = [await post("/v1/exact", text), await post("/v1/plain", text)];
  expect(exact.headers.get("content-type")).toBe("application/json; charset=utf-8");
  expect(await exact.text()).toBe(text);
  expect(await plain.text()).toBe('{"a":[1,100,12345678901234567000],"b":"1.00"}');
});

test("what is no JSON, no UTF-8, no object, too large or in another charset is refused as ever", async () => {
  const cases: [string | Uint8Array<ArrayBuffer>, string, number][] = [
    ['{"a":', "application/json", 400],
    ["5", "application/fhir+json", 400],
    [new Uint8Array([0x7b, 0xff, 0x7d]), "application/json", 400],
    [`{"a":"${"x".repeat(1_000)}"}`, "application/json", 413],
    ["{}", "application/json; charset=utf-16", 415],
    ["{}", "text/plain", 415],
    ["{}", 'application/json; charset="UTF-8"', 200],
    ["\ufeff{}", "application/json", 200],
  ];
  for (const [body, type, status] of cases)
    expect([type, (await post("/v1/exact", body, type)).status]).toEqual([type, status]);
});
