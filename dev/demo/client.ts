import { MedVaultClient } from "@medvault/client";
import { provenFetch } from "../../tools/lib/proven-fetch.ts";
import { proofKey } from "../config.ts";

const TIMEOUT_MS = 60_000;
const PATIENCE = { attempts: 11, maxWaitMs: 60_000 };

/**
 * A client of the gateway, as any client is one; it speaks to nobody but our own gateway.
 * @param seat each person calls from a loopback address of their own, as from their own desk, with
 * its own rate limit
 */
export function clientAt(gateway: string, seat: number): MedVaultClient {
  return new MedVaultClient({
    baseUrl: gateway,
    timeoutMs: TIMEOUT_MS,
    patience: PATIENCE,
    fetch: provenFetch(proofKey(), `127.0.1.${seat}`),
  });
}
