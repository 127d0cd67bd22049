import { ASSERTION_HEADER, IntrospectionView, Unavailable } from "@medvault/contracts";
import { z } from "zod";
import { upstreamError } from "../proxy/proxy.errors.ts";
import type { Upstream } from "../proxy/upstream.ts";
import type { Asserter, Client } from "./asserter.ts";
import type { AskAuth } from "./session.service.ts";

const ASK_AUTH_MS = 2_500;
const Reported = z.object({ ended: z.boolean() });

/** The gateway's own questions to auth, in its own name. They throw Unavailable (or what a failed call is mapped to). */
export function createAuthClient(
  upstream: Upstream,
  asserter: Asserter,
): AskAuth & { jwks(): Promise<unknown> } {
  async function ask(path: string, method: "GET" | "POST" = "GET", about?: Client) {
    const headers = { [ASSERTION_HEADER]: await asserter.forItself(about) };
    return upstream.getJson(path, headers, ASK_AUTH_MS, method).catch((error: unknown) => {
      throw upstreamError(error);
    });
  }
  return {
    jwks: async () => (await ask("/.well-known/jwks.json")).body,
    async introspect(sid) {
      const { status, body } = await ask(`/internal/sessions/${encodeURIComponent(sid)}`);
      if (status === 404) return null;
      if (status !== 200) throw new Unavailable();
      return IntrospectionView.parse(body);
    },
    async reportStrange(sid, client) {
      const path = `/internal/sessions/${encodeURIComponent(sid)}/strange-client`;
      const { status, body } = await ask(path, "POST", client);
      if (status !== 200) throw new Unavailable();
      return Reported.parse(body).ended;
    },
  };
}
