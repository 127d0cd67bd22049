import { AccountPatch, AccountView, EmailVerify, Register, RegisteredView } from "@medvault/contracts";
import { actorOf, allow, etagOf, ifMatch, openToGuests, parse, requireStepUp } from "@medvault/service-kit";
import type { Request, Response, Router } from "express";
import { type Account, mfaRequiredFor } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { csrfToken } from "../tokens/csrf-token.ts";
import { changeOwnAccount, ownSession, readOwnAccount } from "./own-account.service.ts";
import { confirmEmail, register } from "./registration.service.ts";

export function ownAccountRoutes(router: Router, ctx: AuthContext): void {
  router.post("/v1/auth/register", openToGuests(), async (req, res) => {
    const account = await register(ctx, actorOf(req), parse(Register, req.body));
    res.status(201).json(RegisteredView.parse(account));
  });

  router.get("/v1/auth/me", allow("account:read"), async (req, res) => {
    const actor = actorOf(req);
    await present(req, res, await readOwnAccount(ctx, actor));
  });

  router.patch("/v1/auth/me", allow("account:write"), requireStepUp(), async (req, res) => {
    const actor = actorOf(req);
    await present(req, res, await changeOwnAccount(ctx, actor, parse(AccountPatch, req.body), ifMatch(req)));
  });

  router.post("/v1/auth/email/verify", openToGuests(), async (req, res) => {
    await confirmEmail(ctx, actorOf(req), parse(EmailVerify, req.body).token);
    res.status(204).end();
  });

  async function present(req: Request, res: Response, account: Account): Promise<void> {
    const actor = actorOf(req);
    const session = await ownSession(ctx, actor);
    res.setHeader("ETag", etagOf(account.rev));
    res.json(
      AccountView.parse({
        ...account,
        mfaRequired: mfaRequiredFor(account.role),
        createdAt: account.createdAt.toISOString(),
        updatedAt: account.updatedAt.toISOString(),
        permissions: [...actor.permissions].sort(),
        idleExpiresAt: session.idleExpiresAt.toISOString(),
        absoluteExpiresAt: session.absoluteExpiresAt.toISOString(),
        idleTimeoutSeconds: ctx.settings.idleMs / 1000,
        idleWarningSeconds: ctx.settings.idleWarningMs / 1000,
        ...(session.transport === "cookie" && { csrfToken: csrfToken(ctx.csrfKey, session.id) }),
      }),
    );
  }
}
