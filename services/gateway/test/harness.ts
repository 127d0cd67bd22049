import type { AddressInfo } from "node:net";
import { createListener, createLogger } from "@medvault/service-kit";
import { createGateway, type Gateway } from "../src/app.ts";
import { type GatewayConfig, readConfig } from "../src/config.ts";
import { givenSurroundings, type Person, type Surroundings } from "./surroundings.ts";

export { now, type Person } from "./surroundings.ts";

export interface TestGateway extends Surroundings {
  gateway: Gateway;
  url: string;
  call(path: string, init?: RequestInit & { as?: Person | string }): Promise<Response>;
}

/** A whole gateway on a port of its own, amid its surroundings. */
export async function givenGateway(
  settings: Partial<Record<keyof GatewayConfig, string>> = {},
): Promise<TestGateway> {
  const around = await givenSurroundings();
  const config = readConfig({ ...around.env, ...settings });
  const gateway = await createGateway(config, createLogger({ service: "gateway", level: "silent" }));
  const { tls, logger, noteMalformed: onMalformed } = gateway;
  const server = createListener({ tls, logger, onMalformed }, gateway.app);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await untilConnected(url);
  return {
    ...around,
    gateway,
    url,
    call: (path, { as, ...init } = {}) => {
      const headers = new Headers(init.headers);
      if (typeof init.body === "string" && !headers.has("content-type"))
        headers.set("content-type", "application/json");
      if (as) headers.set("authorization", `Bearer ${typeof as === "string" ? as : as.token}`);
      return fetch(`${url}${path}`, { redirect: "manual", ...init, headers });
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await gateway.stop();
      await around.close();
    },
  };
}

export async function untilConnected(url: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const { checks } = (await (await fetch(`${url}/readyz`)).json()) as { checks: Record<string, string> };
    if (checks.redis === "ok" && checks.rabbitmq === "ok") return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the gateway did not connect to Redis and RabbitMQ within 10 s");
}

/** One field of a JSON answer. */
export async function fieldOf(answer: Response, name: string): Promise<unknown> {
  return ((await answer.json()) as Record<string, unknown>)[name];
}
