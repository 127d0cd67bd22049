import { type Client, signIn } from "../e2e/support/client.ts";
import type { Ops } from "../e2e/support/system.ts";
import { requestOf } from "./gateway/load.ts";

/** Somebody of the demo who works through the gateway for longer than a token lasts. */
export interface Asker {
  readonly id: string;
  readonly port: number;
  /** A new access token: five minutes. */
  refresh(): Promise<void>;
  request(method: string, path: string, body?: Buffer | string, contentType?: string): Buffer;
}

export async function openAsker({ gateway, demo }: Ops, role: string): Promise<Asker> {
  const user = demo.users.find((one) => one.role === role);
  if (!user) throw new Error(`the demo has no ${role}`);
  const client: Client = await signIn(gateway, user);
  const { body } = await client.get("/v1/auth/me");
  return {
    id: String(body.id),
    port: Number(new URL(gateway).port),
    async refresh() {
      const { refresh: refreshToken } = client.api.session.tokens ?? { refresh: null };
      if (refreshToken === null) throw new Error("a sign-in has no refresh token");
      client.keep(await client.post("/v1/auth/refresh", { refreshToken }));
    },
    request: (method, path, body = "", contentType = "application/json") =>
      requestOf(
        method,
        path,
        {
          authorization: `Bearer ${client.token}`,
          "user-agent": "node", // as it signed in: another one ends the session
          "x-purpose": "TREAT",
          ...(body.length > 0 && { "content-type": contentType }),
        },
        body,
      ),
  };
}
