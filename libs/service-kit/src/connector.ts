import type { SecureContext } from "node:tls";
import { buildConnector } from "undici";
import type { Tls } from "./tls.ts";

/**
 * How an undici pool connects to another service: to an https URL with our certificate and CA, as they are at that
 * moment, and the name of the server checked; a handshake counts towards `timeoutMs`.
 */
export function connectorOf(tls: Tls | null, timeoutMs: number): buildConnector.connector {
  let built: { for: SecureContext | undefined; connect: buildConnector.connector } | null = null;
  return (options, callback) => {
    const secureContext = tls?.outgoing.secureContext;
    // A new context means a new cache of TLS sessions too: one made under an old CA is not taken up again.
    if (built === null || built.for !== secureContext)
      built = {
        for: secureContext,
        connect: buildConnector({
          rejectUnauthorized: true,
          ...(secureContext ? { secureContext } : {}),
          timeout: timeoutMs,
          allowH2: false,
        }),
      };
    built.connect(options, callback);
  };
}
