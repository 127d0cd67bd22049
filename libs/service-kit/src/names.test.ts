import { nameOf, personOf } from "@medvault/contracts";
import { expect, test } from "vitest";
import { z } from "zod";
import { DOCTOR, doc, startService } from "../test/harness.ts";
import { signAssertion } from "./assertions.ts";
import { fillNames, idsNamed, namePlan } from "./names.ts";
import type { People } from "./people.client.ts";
import { route } from "./route.ts";

const View = z.object({
  id: z.string(),
  authorId: z.string(),
  author: personOf("authorId"),
  updatedBy: z.string().nullable(),
  updater: personOf("updatedBy"),
});
const Page = z.object({ items: z.array(z.union([View, z.strictObject({ damaged: z.literal(true) })])) });
const Event = z.object({ actor: z.object({ id: z.string(), name: nameOf("id") }).nullable() });

const row = (authorId: string, updatedBy: string | null = null) => ({ id: "1", authorId, updatedBy });
const ADA = (id: string) => (id === "ada" ? "Ada Marsh" : null);

test("an answer says who is meant beside each id: in lists, unions and nested objects", () => {
  const plan = namePlan(Page);
  const page = { items: [row("ada", "bob"), { damaged: true }, row("bob")] };
  if (!plan) throw new Error("the page names people");
  expect([...idsNamed(plan, page)]).toEqual(["ada", "bob"]);
  fillNames(plan, page, ADA);
  expect(Page.parse(page).items).toEqual([
    {
      ...row("ada", "bob"),
      ...{ author: { id: "ada", name: "Ada Marsh" }, updater: { id: "bob", name: null } },
    },
    { damaged: true },
    { ...row("bob"), author: { id: "bob", name: null }, updater: null },
  ]);
  const events = namePlan(z.array(Event));
  const log = [{ actor: { id: "ada" } }, { actor: null }];
  if (events) fillNames(events, log, ADA);
  expect(log).toEqual([{ actor: { id: "ada", name: "Ada Marsh" } }, { actor: null }]);
});

test("an answer that names nobody has no plan", () => {
  expect(namePlan(z.object({ id: z.string(), tags: z.array(z.string()) }))).toBeNull();
});

const people: People = { namesOf: async () => ADA, close: async () => {} };
const routes = [
  route({ ...doc("GET", "/v1/rows", null), session: true, response: View }, async () => ({
    body: row("ada"),
  })),
  route({ ...doc("GET", "/v1/names", null), session: true, part: "people" }, async () => ({})),
];

test("the guard fills names in; a service without anybody to ask answers null", async () => {
  for (const [asks, author] of [
    [people, { id: "ada", name: "Ada Marsh" }],
    [undefined, null],
  ] as const) {
    const service = await startService(routes, asks ? { people: asks } : {});
    expect(await (await service.call("/v1/rows")).json()).toMatchObject({ author, updater: null });
    await service.close();
  }
});

test("threat: an assertion that was given to name people opens nothing else of a service", async () => {
  const service = await startService(routes);
  const assertion = await signAssertion(service.key, DOCTOR, ["files", "records/people"]);
  const call = (path: string) =>
    service.call(path, { as: null, headers: { "x-medvault-assertion": assertion } });
  expect((await call("/v1/names")).status).toBe(204);
  expect((await call("/v1/rows")).status).toBe(401);
  await service.close();
});
