import { type Browser, chromium as driver } from "playwright-core";
import { sharedPath } from "../../dev/lib/paths.mjs";
import { chromium } from "../../dev/servers/chromium.ts";
import type { Json } from "./client.ts";

/** Chromium, headless. It is downloaded if needed; where that fails, the error says what to do. */
export async function openBrowser(): Promise<Browser> {
  const { executable, libraries } = await chromium(sharedPath("chromium"), console.log);
  return driver.launch({
    executablePath: executable,
    // Chromium's own sandbox refuses root; it loads pages of this test alone.
    chromiumSandbox: process.getuid?.() !== 0,
    env: { ...process.env, ...(libraries && { LD_LIBRARY_PATH: libraries }) },
    timeout: 60_000,
  });
}

export type Device = Awaited<ReturnType<typeof openDevice>>;

/**
 * A page of a site with an authenticator of its own, as a person's device has.
 * @param url any answer of the site whose origin asks
 */
export async function openDevice(browser: Browser, url: string) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url);
  const devtools = await context.newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  const ask = (method: "create" | "get", reader: string, options: Json): Promise<Json> =>
    page.evaluate(
      `navigator.credentials.${method}({ publicKey: PublicKeyCredential.${reader}(${JSON.stringify(options)}) })
         .then((credential) => credential.toJSON())`,
    );
  /** What its authenticator holds, private keys included. */
  const credentials = async () =>
    (await devtools.send("WebAuthn.getCredentials", { authenticatorId })).credentials;
  return {
    /** `navigator.credentials.create()` with the API's options; throws what the browser throws. */
    create: (options: Json) => ask("create", "parseCreationOptionsFromJSON", options),
    /** The same with `navigator.credentials.get()`. */
    get: (options: Json) => ask("get", "parseRequestOptionsFromJSON", options),
    credentials,
    /** Puts a credential into its authenticator; one of the same id is replaced. */
    async hold(credential: Awaited<ReturnType<typeof credentials>>[number]): Promise<void> {
      const { credentialId } = credential;
      if ((await credentials()).some((known) => known.credentialId === credentialId))
        await devtools.send("WebAuthn.removeCredential", { authenticatorId, credentialId });
      await devtools.send("WebAuthn.addCredential", { authenticatorId, credential });
    },
    close: () => context.close(),
  };
}
