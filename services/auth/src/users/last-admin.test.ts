import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness } from "../../test/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

test("the last admin can be neither disabled nor demoted nor deleted, not even when two try each other at once", async () => {
  const [one, two] = [await h.person("admin"), await h.person("admin")];
  await h.person("admin", { disabled: true });
  await h.person("admin", { passwordHash: null, activated: false }); // invited: cannot administer yet
  const [first, second] = [await h.client(one), await h.client(two)];
  const outcomes = await Promise.all([
    first.api.patch(`/v1/users/${two.account.id}`, { disabled: true }),
    second.api.patch(`/v1/users/${one.account.id}`, { role: "doctor" }),
  ]);
  expect(outcomes.map(({ status }) => status).sort()).toEqual([200, 409]);
  const [left, api] = outcomes[0]?.status === 200 ? [one, first.api] : [two, second.api];
  const user = `/v1/users/${left.account.id}`;
  for (const answer of [
    await api.patch<Answer>(user, { disabled: true }),
    await api.patch<Answer>(user, { role: "auditor" }),
    await api.delete<Answer>(user),
  ]) {
    expect([answer.status, answer.body.code]).toEqual([409, "last_admin"]);
  }
  expect((await api.get(user)).body).toMatchObject({ role: "admin", disabled: false });
});
