// What `cordon up` says while it starts and runs: lines with marks for a person, one event a line (`cordon.up/v1`) for a program.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../control/config.ts';
import type { ResourceState } from '../control/catalog.ts';
import type { Control, StatusView } from '../control/control.ts';
import { writeJson, type JsonObject } from '../domain/json.ts';
import type { Context } from './context.ts';
import { offered } from './offered.ts';
import type { Mark } from './paint.ts';
import { table } from './table.ts';
import { duration, several } from './units.ts';
import { escapeJson, plain } from './untrusted.ts';

/** How long resources may take before the start is said to be over without them. */
const PATIENCE_MS = 5_000;
const POLL_MS = 100;
const LABEL = 12;

type Policies = StatusView['policies'];

export interface StartReport {
  configured(path: string, config: Config): void;
  listening(control: Control, data: string): void;
  policies(policies: Policies): void;
  resource(state: ResourceState): void;
  ready(status: StatusView): void;
  notice(line: string): void;
  stopping(): void;
  stopped(): void;
}

export function createReport({ json, out }: Context): StartReport {
  const started = performance.now();
  const since = (): number => Math.round(performance.now() - started);

  const say = (event: string, detail: JsonObject, mark: Mark, label: string, text: string): void => {
    const ms = since();
    if (json) {
      process.stdout.write(`${escapeJson(writeJson({ schema: 'cordon.up/v1', event, ms, ...detail }))}\n`);
      return;
    }
    const [line = ''] = table([[[mark, () => out.paint.mark(mark)], label.padEnd(LABEL), text]]);
    process.stdout.write(`${line}  ${out.paint('dim', duration(ms))}\n`);
  };

  return {
    configured(path, { trustDomain, agents, resources, segments }) {
      const sizes = { agents: agents.length, resources: resources.length, segments: segments.length };
      const text = [several(sizes.agents, 'agent'), several(sizes.resources, 'resource'), several(sizes.segments, 'segment')].join(', ');
      say('configured', { config: path, trust_domain: trustDomain, ...sizes }, 'v', 'config', `${path}  ${trustDomain}: ${text}`);
    },
    listening({ gatewayUrl, controlUrl, identityUrl, operators }, data) {
      const signIn = operators.signingIn?.origin.origin;
      const urls = {
        gateway: gatewayUrl,
        control: controlUrl,
        identity: identityUrl,
        ...(signIn === undefined ? {} : { sign_in: signIn }),
      };
      if (json) return say('listening', { ...urls, data, pid: process.pid }, 'v', '', '');
      say('listening', {}, 'v', 'gateway', gatewayUrl);
      say('listening', {}, 'v', 'control', `${controlUrl}  identity ${identityUrl}`);
      if (signIn !== undefined) say('listening', {}, 'v', 'sign-in', `${signIn}  invite somebody: cordon operator invite NAME --role ROLE`);
      say('listening', {}, 'v', 'data', data);
    },
    policies({ state, version, count, error }) {
      if (error === undefined) {
        say(
          'policies',
          { state, version, count },
          'v',
          'policies',
          `${several(count, 'policy', 'policies')}, version ${version}, ${state}`,
        );
        return;
      }
      say('policies', { state, error: { ...error } }, 'x', 'policies', `none, so every call is denied: ${error.code}`);
      if (!json) process.stdout.write(`${reportLines(error.message, error.fix).join('\n')}\n`);
    },
    resource(known) {
      const { resource, state, tools, changed, error } = known;
      const detail = { resource, state, tools, changed: [...changed], ...(error === undefined ? {} : { error }) };
      if (state === 'ready') say('resource', detail, 'v', resource, `ready, ${offered(known)}`);
      else if (state === 'waiting') say('resource', detail, '!', resource, `waiting${error === undefined ? '' : `: ${error}`}`);
      else say('resource', detail, 'x', resource, `${changed.join(', ')} changed, not served; fix: cordon tools diff ${resource}`);
    },
    ready(status) {
      const missing = status.resources.filter(({ state }) => state !== 'ready').length;
      const but = [
        status.policies.error === undefined ? '' : 'no policies: every call is denied',
        missing === 0 ? '' : `${several(missing, 'resource')} not ready`,
      ].filter((text) => text !== '');
      if (json) return say('ready', { ready: status.ready, gateway: status.gateway.url }, 'v', '', '');
      process.stdout.write(
        `ready${but.length === 0 ? '' : ` (${but.join('; ')})`}  ${out.paint('dim', `${duration(since())}   stop: Ctrl-C`)}\n`,
      );
    },
    notice(line) {
      if (json) say('notice', { message: line }, '!', '', '');
      else process.stderr.write(`  ${plain(line)}\n`);
    },
    stopping() {
      if (json) say('stopping', {}, '-', '', '');
      else process.stderr.write('stopping; Ctrl-C again ends at once\n');
    },
    stopped() {
      if (json) say('stopped', {}, '-', '', '');
    },
  };
}

const reportLines = (message: string, fix: string): readonly string[] => [
  ...message.split('\n').map((line) => `      ${plain(line)}`),
  `      fix  ${plain(fix)}`,
];

/** Says what changes, from the start until `stop`. */
export async function watchStart(report: StartReport, control: Control, stop: AbortSignal): Promise<void> {
  const began = performance.now();
  const said = new Map<string, string>();
  let isReady = false;
  let policies = '';
  while (!stop.aborted) {
    const status = await control.status();
    const late = performance.now() - began > PATIENCE_MS;
    for (const state of status.resources) {
      const now = `${state.state} ${state.changed.join(' ')}`;
      // a server that is only slow to start is not worth a line
      if (said.get(state.resource) === now || (state.state === 'waiting' && !late)) continue;
      said.set(state.resource, now);
      report.resource(state);
    }
    const settled = late || status.resources.every(({ state }) => state !== 'waiting');
    const now = JSON.stringify(status.policies);
    if (settled && now !== policies) report.policies(status.policies);
    if (settled) policies = now;
    if (settled && !isReady) report.ready(status);
    isReady ||= settled;
    await sleep(POLL_MS, undefined, { signal: stop }).catch(() => undefined);
  }
}
