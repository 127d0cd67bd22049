import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness } from "../../test/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

test("lists that come whole answer at most `limit` of it, and refuse a limit that is none", async () => {
  const person = await h.person("admin");
  const { api } = await h.client(person);
  h.advance(90_000);
  await h.client(person);
  const lists = ["/v1/auth/sessions", `/v1/users/${person.account.id}/sessions`, "/v1/roles"];
  for (const path of lists) {
    const items = async (query: string) =>
      (await api.get<{ items: Answer[] }>(`${path}${query}`)).body.items.length;
    expect(await items(""), path).toBeGreaterThan(1);
    expect(await items("?limit=1"), path).toBe(1);
    expect(await items("?limit=100"), path).toBe(await items(""));
  }
  expect((await api.get<{ items: Answer[] }>("/v1/auth/passkeys?limit=1")).body.items).toEqual([]);
  for (const path of [...lists, "/v1/auth/passkeys"]) {
    for (const limit of ["0", "101", "-1", "1.5", "x", "", "1&limit=2"])
      expect(await api.get(`${path}?limit=${limit}`), `${path} ${limit}`).toMatchObject({
        status: 400,
        body: { code: "invalid_input", errors: [{ path: "limit" }] },
      });
  }
});
