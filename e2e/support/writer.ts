import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "vitest";
import type { Client } from "./client.ts";
import { text } from "./people.ts";

/**
 * Makes patients, one after the other, until stopped. What was answered 201 once a restore had begun
 * to refuse is there; what was before is made again when it is repeated, and nothing twice.
 */
export function writeOn(client: Client) {
  const made: { id: string; key: string; since: boolean }[] = [];
  let refused = 0;
  let stopped = false;
  const body = { givenName: "Ida", familyName: "Meanwhile", birthDate: "1970-01-02", sex: "female" };
  const post = (idempotencyKey: string) =>
    client.post("/v1/patients", body, { "idempotency-key": idempotencyKey });
  const writing = (async () => {
    while (!stopped) {
      const since = refused > 0;
      const idempotencyKey = randomUUID();
      const answer = await post(idempotencyKey);
      if (answer.status === 201) made.push({ id: text(answer.body, "id"), key: idempotencyKey, since });
      else {
        expect(answer).toMatchObject({ status: 503, body: { code: "restore_in_progress" } });
        expect(answer.headers.get("retry-after")).toMatch(/^\d+$/);
        refused += 1;
      }
      await delay(50);
    }
  })();
  return {
    async stop() {
      await delay(1_000);
      stopped = true;
      await writing;
    },
    async foundAgain() {
      expect(refused).toBeGreaterThan(0);
      expect(made.some(({ since }) => since)).toBe(true);
      for (const { id, key: idempotencyKey, since } of made) {
        const isThere = (await client.get(`/v1/patients/${id}`)).status === 200;
        if (since) expect(isThere, id).toBe(true);
        const again = await post(idempotencyKey);
        expect(again.status).toBe(201);
        expect(again.headers.get("idempotency-replayed")).toBe(isThere ? "true" : null);
        expect((await client.get(`/v1/patients/${text(again.body, "id")}`)).status).toBe(200);
      }
    },
  };
}
