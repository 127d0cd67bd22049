import { type GatewayProcess, spawnGateway } from "../../services/gateway/test/gateway-process.ts";
import { createHarness, type Harness } from "../../services/gateway/test/harness.ts";

interface Served {
  harness: Harness;
  gateway: GatewayProcess;
  /** Of a doctor. */
  token: string;
}

/** Runs `work` beside a gateway in a process of its own, with these settings. */
export async function withGateway<T>(
  settings: Record<string, string>,
  work: (served: Served) => Promise<T>,
): Promise<T> {
  const harness = await createHarness();
  try {
    const gateway = await spawnGateway({ ...harness.env, REDIS_URL: harness.redis.url, ...settings });
    try {
      return await work({ harness, gateway, token: (await harness.signIn("doctor")).token });
    } finally {
      await gateway.stop();
    }
  } finally {
    await harness.close();
  }
}
