import {
  AnyTokensView,
  Id,
  NotFound,
  PasskeyAssertion,
  PasskeyCreationOptions,
  PasskeyList,
  PasskeyLoginOptions,
  PasskeyPatch,
  PasskeyRegisteredView,
  PasskeyRegistration,
  PasskeyRequestOptions,
  PasskeyView,
} from "@medvault/contracts";
import { actorOf, allow, etagOf, ifMatch, openToGuests, parse, requireStepUp } from "@medvault/service-kit";
import type { Request, Response, Router } from "express";
import { callerOf } from "../caller.ts";
import { handOut, transportOf } from "../sessions/session-transport.ts";
import type { Passkeys } from "./passkey.service.ts";
import type { Passkey } from "./passkey.ts";
import type { PasskeySignIn } from "./passkey-sign-in.service.ts";

export function passkeyRoutes(router: Router, passkeys: Passkeys, signIn: PasskeySignIn): void {
  router.post(
    "/v1/auth/passkeys/register/options",
    allow("account:enroll"),
    requireStepUp(),
    async (req, res) => {
      res.json(PasskeyCreationOptions.parse(await passkeys.registerOptions(actorOf(req))));
    },
  );

  router.post(
    "/v1/auth/passkeys/register/verify",
    allow("account:enroll"),
    requireStepUp(),
    async (req, res) => {
      const done = await passkeys.register(callerOf(req), parse(PasskeyRegistration, req.body));
      const view = {
        ...present(done.passkey),
        ...(done.tokens && handOut(res, done.tokens)),
        ...(done.recoveryCodes && { recoveryCodes: done.recoveryCodes }),
      };
      res.setHeader("ETag", etagOf(done.passkey.rev));
      res.status(201).json(PasskeyRegisteredView.parse(view));
    },
  );

  router.post("/v1/auth/passkeys/login/options", openToGuests(), async (req, res) => {
    const { mfaToken } = parse(PasskeyLoginOptions, req.body ?? {});
    res.json(PasskeyRequestOptions.parse(await signIn.loginOptions(mfaToken ?? null)));
  });

  router.post("/v1/auth/passkeys/login/verify", openToGuests(), async (req, res) => {
    const assertion = parse(PasskeyAssertion, req.body);
    const tokens = await signIn.login(callerOf(req), assertion, transportOf(req));
    res.json(AnyTokensView.parse(handOut(res, tokens)));
  });

  router.post("/v1/auth/passkeys/step-up/options", allow("account:write"), async (req, res) => {
    res.json(PasskeyRequestOptions.parse(await signIn.stepUpOptions(actorOf(req))));
  });

  router.get("/v1/auth/passkeys", allow("account:read"), async (req, res) => {
    const items = (await passkeys.list(actorOf(req))).map(present);
    res.json(PasskeyList.parse({ items }));
  });

  router.get("/v1/auth/passkeys/:id", allow("account:read"), async (req, res) => {
    send(res, await passkeys.read(actorOf(req), idOf(req)));
  });

  router.patch("/v1/auth/passkeys/:id", allow("account:write"), async (req, res) => {
    const { name } = parse(PasskeyPatch, req.body);
    send(res, await passkeys.rename(actorOf(req), idOf(req), name, ifMatch(req)));
  });

  router.delete("/v1/auth/passkeys/:id", allow("account:write"), requireStepUp(), async (req, res) => {
    await passkeys.remove(actorOf(req), idOf(req), ifMatch(req));
    res.status(204).end();
  });
}

/** The id in the path; what is none names nothing. */
function idOf(req: Request): string {
  const id = Id.safeParse(req.params.id);
  if (!id.success) throw new NotFound();
  return id.data;
}

function send(res: Response, passkey: Passkey): void {
  res.setHeader("ETag", etagOf(passkey.rev));
  res.json(PasskeyView.parse(present(passkey)));
}

function present(passkey: Passkey) {
  return {
    ...passkey,
    createdAt: passkey.createdAt.toISOString(),
    lastUsedAt: passkey.lastUsedAt?.toISOString() ?? null,
  };
}
