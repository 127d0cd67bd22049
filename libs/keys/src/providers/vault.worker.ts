import type { MessagePort } from "node:worker_threads";
import { workerData } from "node:worker_threads";
import type { VaultPlace } from "./key-document.ts";
import { TransitFault, transitDecrypt } from "./vault.client.ts";

/** The thread of vault-provider.ts: decrypts, answers by its port, and wakes the waiting thread. */
const { place, wrapped, port, done } = workerData as {
  place: VaultPlace;
  wrapped: readonly string[];
  port: MessagePort;
  done: Int32Array;
};
try {
  const keys = await Promise.all(wrapped.map((ciphertext) => transitDecrypt(place, ciphertext)));
  port.postMessage({ keys: keys.map((key) => new Uint8Array(key)) });
  for (const key of keys) key.fill(0);
} catch (error) {
  port.postMessage({ status: error instanceof TransitFault ? error.status : 0 });
}
Atomics.store(done, 0, 1);
Atomics.notify(done, 0);
port.close();
