import { MedVaultClient } from "@medvault/client";
import { Agent, fetch as fetchBy } from "undici";

const TIMEOUT_MS = 60_000;
const PATIENCE = { attempts: 11, maxWaitMs: 60_000 };

/**
 * A client of the gateway, as any client is one.
 * @param seat each person calls from a loopback address of their own, as from their own desk, with
 * its own rate limit
 */
export function clientAt(gateway: string, seat: number): MedVaultClient {
  const dispatcher = new Agent({ localAddress: `127.0.1.${seat}` });
  // Another fetch than the runtime's knows no Headers of the runtime's: they are passed as pairs.
  const fetchFromSeat = (url: string, init: RequestInit) =>
    fetchBy(url, { ...init, headers: [...(init.headers as Headers)], dispatcher } as object);
  return new MedVaultClient({
    baseUrl: gateway,
    timeoutMs: TIMEOUT_MS,
    patience: PATIENCE,
    fetch: fetchFromSeat as unknown as typeof fetch,
  });
}
