import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness } from "../../test/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

test("many sessions that refresh at once are served, or told when to come again, and lose nothing", async () => {
  const waiting = new Set<string>();
  while (waiting.size < 300) {
    const person = await h.person("patient");
    const made = await Promise.all(Array.from({ length: 5 }, () => h.client(person)));
    for (const { tokens } of made) waiting.add(tokens.refreshToken);
  }
  const refresh = (refreshToken: string) => h.guest().post<Answer>("/v1/auth/refresh", { refreshToken });
  // Each client comes again with the same token, as its Retry-After says.
  for (let round = 0; waiting.size > 0; round++) {
    expect(round).toBeLessThan(20);
    await Promise.all(
      [...waiting].map(async (token) => {
        const { status, headers } = await refresh(token);
        if (status === 200) return waiting.delete(token);
        expect(status).toBe(503);
        return expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
      }),
    );
  }
}, 240_000);
