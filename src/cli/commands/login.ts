// `cordon login`, `logout`, `whoami`: a person acts with an identity of their own. INVARIANT I7
import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import type { SignInOptions } from '../sign-in.ts';
import { table } from '../table.ts';
import { until } from '../units.ts';
import { showExamples } from '../usage.ts';

export function loginCommand(program: Command): void {
  const command = program
    .command('login')
    .summary('sign in as an operator')
    .description(
      'Signs in with a passkey or at your organisation, in a browser; this terminal gets a certificate for some hours, whose key never leaves it.\n' +
        'The first time, name the server and the fingerprint of its root as your invitation does.',
    )
    .option('--server <url>', 'the identity listener: https://HOST:8445 (default: that of the last time)')
    .option('--trust <fingerprint>', 'SHA-256 of the root by which the server is known')
    .action(async (options: SignInOptions, self: Command) => {
      const context = contextOf(self);
      // what they bring with them (TLS, certificates, schemas) is not for commands that sign nobody in
      const [{ signIn }, { keepSignedIn }] = await Promise.all([import('../sign-in.ts'), import('../credentials.ts')]);
      const { done, credentials } = await signIn(context, options);
      const path = await keepSignedIn(context.place, credentials);
      const { operator, role, expires_at: expiresAt } = done;
      const json = { schema: 'cordon.login/v1', operator, role, expires_at: expiresAt, credentials: path };
      context.out.print(json, (paint) => [
        `${paint.mark('v')} signed in as ${operator}, ${role ?? 'no role'}  ${until(expiresAt, Date.now())}`,
      ]);
    });
  showExamples(command, ['cordon login', 'cordon login --server https://cordon.example:8445 --trust 3f2a…']);
}

export function logoutCommand(program: Command): void {
  const command = program
    .command('logout')
    .summary('forget who was signed in here')
    .description('Removes the certificate and its key from this machine.')
    .action(async (_options: object, self: Command) => {
      const context = contextOf(self);
      const { forgetSignedIn, signedInPath } = await import('../credentials.ts');
      const path = signedInPath(context.place);
      const removed = await forgetSignedIn(context.place);
      context.out.print({ schema: 'cordon.logout/v1', removed, credentials: path }, (paint) => [
        removed ? `${paint.mark('v')} signed out` : `${paint.mark('-')} nobody was signed in here`,
      ]);
    });
  showExamples(command, ['cordon logout']);
}

export function whoamiCommand(program: Command): void {
  const command = program
    .command('whoami')
    .summary('show as whom this terminal acts')
    .description('Shows the operator that this terminal acts as, the role, and until when.')
    .action(async (_options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.whoami());
      const { name, role, spiffe_id: id, expires_at: expiresAt } = value;
      context.out.print(json, () => table([[name, role ?? 'no role', until(expiresAt, Date.now()), id]]));
    });
  showExamples(command, ['cordon whoami', 'cordon whoami --credentials ~/.config/cordon/operator.json']);
}
