import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import helmet from "helmet";

const PERMISSIONS_POLICY =
  "accelerometer=(), camera=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()";

/** On every answer. Helmet's never change and are computed once: per request cost too much. */
export const SECURITY_HEADERS: readonly (readonly [name: string, value: string])[] = [
  ["Permissions-Policy", PERMISSIONS_POLICY],
  ["Cache-Control", "no-store"], // a route may set its own
  ...headersOf(
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'none'"],
          frameAncestors: ["'none'"],
          baseUri: ["'none'"],
          formAction: ["'none'"],
        },
      },
      frameguard: { action: "deny" },
      referrerPolicy: { policy: "strict-origin-when-cross-origin" },
      strictTransportSecurity: { maxAge: 31_536_000, includeSubDomains: true },
    }),
  ),
];

function headersOf(handler: ReturnType<typeof helmet>): [string, string][] {
  const asked = new IncomingMessage(new Socket());
  const answer = new ServerResponse(asked);
  handler(asked, answer, (fault) => {
    if (fault) throw fault;
  });
  return Object.entries(answer.getHeaders()).map(([name, value]) => [name, String(value)]);
}
