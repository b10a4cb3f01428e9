// The Chromium of the machine, as a person uses it: pages, an authenticator for passkeys, and every complaint of a page as a failure.
import { existsSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';

const PLACES = [process.env['CORDON_CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Why the browser's tests cannot run here, or false. With `CI=true` a missing browser is a failure, not a skip. */
export function noBrowser(): string | false {
  if (found() !== undefined) return false;
  const why = 'SKIPPED: no Chromium on this machine (`apt-get install chromium`, or CORDON_CHROMIUM=/path)';
  if (process.env['CI'] === 'true') throw new Error(why);
  return why;
}

const found = (): string | undefined => PLACES.find((place) => place !== undefined && existsSync(place));

export interface Visitor {
  readonly page: Page;
  /** What the page complained of: console errors, exceptions, policy violations. */
  readonly complaints: readonly string[];
  close(): Promise<void>;
}

/** A browser with one page and an authenticator that verifies its user. */
export async function visit(): Promise<Visitor> {
  const browser: Browser = await chromium.launch({ executablePath: found() ?? '', args: FLAGS });
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return { page, complaints, close: () => browser.close() };
}
