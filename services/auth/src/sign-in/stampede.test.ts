import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness } from "../../test/harness.ts";
import { startSession } from "../grants/issuance.service.ts";
import { changeSessions } from "../sessions/session.service.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

/** Refresh tokens of as many sessions, begun without a hash each. */
async function givenTokens(count: number): Promise<Set<string>> {
  const tokens = new Set<string>();
  while (tokens.size < count) {
    const { account } = await h.person("patient");
    for (let i = 0; i < account.maxSessions; i++) {
      const started = await changeSessions(h.ctx, (change) =>
        startSession(h.ctx, change, h.guest().actor, {
          ...{ by: "password", account, amr: ["pwd"], pv: null, transport: "bearer" },
        }),
      );
      if (started.kind === "full") tokens.add(started.tokens.refreshToken);
    }
  }
  return tokens;
}

test("a thousand refreshes at once are served, or told when to come again, and lose nothing", async () => {
  const waiting = await givenTokens(1_000);
  const refresh = (refreshToken: string) => h.guest().post<Answer>("/v1/auth/refresh", { refreshToken });
  // Each client comes again with the same token, as its Retry-After says.
  for (let round = 0; waiting.size > 0; round++) {
    expect(round).toBeLessThan(40);
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
