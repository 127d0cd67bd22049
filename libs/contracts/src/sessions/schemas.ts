import { z } from "zod";
import { AccountRole } from "../accounts/schemas.ts";
import { Instant, PageQuery, page } from "../http.ts";
import { Id } from "../ids.ts";
import { BINDINGS } from "../session-transport.ts";

export const SessionView = z.object({
  id: Id,
  createdAt: Instant,
  lastSeenAt: Instant,
  idleExpiresAt: Instant,
  absoluteExpiresAt: Instant,
  ip: z.string(),
  userAgent: z.string(),
  device: z.string(),
  /** `Berlin, Germany`, as the operator's GeoIP file knows the address; null without one. */
  location: z.string().nullable(),
  current: z.boolean(),
});
export const SessionList = z.object({ items: z.array(SessionView) });
export const AdminSessionView = SessionView.extend({ userId: Id, role: AccountRole });
export const AdminSessionPage = page(AdminSessionView);
export const AdminSessionQuery = PageQuery.extend({
  userId: Id.optional(),
  role: AccountRole.optional(),
}).strict();
/** A live session, for the gateway; Redis holds the same fields (`session:<sid>`). */
export const IntrospectionView = z.object({
  sub: Id,
  role: AccountRole,
  /** The role's present permission version. */
  pv: z.int(),
  /** The role's present permissions, or `account:enroll:own` alone; space separated. */
  scope: z.string(),
  /** Milliseconds since 1970. */
  idleEnd: z.int(),
  absEnd: z.int(),
  /** SHA-256 of the user agent, in hex. */
  uaHash: z.string(),
  ip: z.string(),
  /** The address, or its /64. */
  net: z.string(),
  bindAgent: z.enum(BINDINGS),
  bindAddress: z.enum(BINDINGS),
  transport: z.enum(["bearer", "cookie"]),
  /** SHA-256 of the CSRF token, in hex; empty where the transport is none of cookies. */
  csrf: z.string(),
  mfa: z.enum(["0", "1"]),
  enroll: z.enum(["0", "1"]),
});
export type IntrospectionView = z.infer<typeof IntrospectionView>;

/** Whether the session ended because another client used it. */
export const BindingViolationView = z.object({ ended: z.boolean() });

/** RFC 7517. */
export const JwksView = z.object({
  keys: z.array(
    z.object({
      kty: z.literal("OKP"),
      crv: z.literal("Ed25519"),
      x: z.string(),
      kid: z.string(),
      alg: z.literal("EdDSA"),
      use: z.literal("sig"),
    }),
  ),
});
