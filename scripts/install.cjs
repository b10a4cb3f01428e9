'use strict';
// Installs the dependencies when they are missing or are not those of package-lock.json, then makes sure that a Node which can run
// Cordon is there. `npm start`, `npm test` and their like run it first, so it must cost nothing when nothing is to be done.
// Plain CommonJS: it runs on whatever Node the machine has.
const { spawnSync } = require('child_process');
const fs = require('fs');
const path = require('path');
const node = require('./node.cjs');

const OFFLINE = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED|ERR_SOCKET_TIMEOUT/;

const packagesOf = (file) => JSON.parse(fs.readFileSync(path.join(node.root, file), 'utf8')).packages;

/**
 * Does node_modules hold what package-lock.json asks for? npm writes what it installed to node_modules/.package-lock.json as its last
 * act, so an interrupted install counts as none. Optional packages of other platforms may be absent; additions by hand are left alone.
 */
function isInstalled() {
  const wanted = packagesOf('package-lock.json');
  let present;
  try {
    present = packagesOf('node_modules/.package-lock.json');
  } catch {
    return false;
  }
  return Object.keys(wanted).every((name) => {
    if (name === '') return true;
    const want = wanted[name];
    const have = present[name];
    if (have === undefined) return want.optional === true || want.devOptional === true;
    return have.version === want.version && have.integrity === want.integrity;
  });
}

/** The npm that runs us, with its own Node, else the one on the path. The Node inside node_modules is about to be replaced. */
function npmCommand() {
  const cli = process.env.npm_execpath || '';
  return path.basename(cli) === 'npm-cli.js' ? [process.env.npm_node_execpath || process.execPath, cli] : ['npm'];
}

/** @returns exit code: 0 done, 2 npm refused, 4 the registry cannot be reached */
function npmCi() {
  const [command, ...first] = npmCommand();
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  // npm's own waits would keep a machine without a network silent for over a minute.
  const patience = ['--fetch-retries=4', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000'];
  const args = [...first, 'ci', '--include=dev', '--ignore-scripts', ...quiet, ...patience];
  const started = Date.now();
  process.stderr.write('  - dependencies  npm ci, needed once and after an update ...\n');
  const done = spawnSync(command, args, {
    cwd: node.root,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    shell: command === 'npm' && process.platform === 'win32',
  });
  const took = `${((Date.now() - started) / 1000).toFixed(1)} s`;
  if (done.status === 0) {
    process.stderr.write(`  v dependencies  ${took}\n`);
    return 0;
  }
  const said = done.error ? `cannot run \`${command}\`: ${done.error.message}` : done.stderr.trim();
  const offline = OFFLINE.test(said);
  const [why, fix] = offline
    ? [
        'the package registry cannot be reached',
        'connect to the network, or set `npm config set registry` and proxy, then run the command again',
      ]
    : ['npm refused', 'mend what npm says above, then run `npm ci`'];
  process.stderr.write(`${said}\n  x dependencies  ${took}\n  why  ${why}\n  fix  ${fix}\n`);
  return offline ? 4 : 2;
}

/** Installs if needed. @returns exit code, 0 when Cordon can run */
function install() {
  const code = isInstalled() ? 0 : npmCi();
  if (code === 0 && node.findNode() === undefined) {
    process.stderr.write(node.noNode());
    return 2;
  }
  return code;
}

module.exports = { install };
if (require.main === module) process.exitCode = install();
