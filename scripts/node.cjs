'use strict';
// Finds a Node that can run Cordon: the running one when it is new enough, else the one that npm put beside Cordon as an optional
// dependency (docs/decisions/0001). Plain CommonJS without dependencies, because an old Node reads it, before anything is installed.
const fs = require('fs');
const path = require('path');

const root = path.dirname(__dirname);
const wanted = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')).engines.node;
/** `24.18.1` of `>=24.18.1`: `engines` in package.json is the only place that states it. */
const minimum = wanted.replace('>=', '');

/** Is this version (`24.21.0`, with or without `v`) one that can run Cordon? */
function newEnough(version) {
  const have = version.replace('v', '').split('.').map(Number);
  const need = minimum.split('.').map(Number);
  for (let i = 0; i < need.length; i++) {
    if (have[i] !== need[i]) return have[i] > need[i];
  }
  return true;
}

const platform = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;

/** The Node that npm installed beside Cordon, or undefined: none was published for this platform, or optional packages were left out. */
function bundled() {
  let manifest;
  try {
    manifest = require.resolve(`node-${platform}/package.json`, { paths: [root] });
  } catch {
    return undefined;
  }
  const about = JSON.parse(fs.readFileSync(manifest, 'utf8'));
  const file = path.join(path.dirname(manifest), about.bin.node);
  return newEnough(about.version) && fs.existsSync(file) ? file : undefined;
}

/** Path of a Node that can run Cordon, or undefined. */
function findNode() {
  return newEnough(process.versions.node) ? process.execPath : bundled();
}

/** What to tell a person when `findNode` found nothing. */
function noNode() {
  return [
    `x cordon needs Node ${minimum} or newer`,
    `  why  observed  ${process.version} at ${process.execPath}, and none beside Cordon for ${platform}`,
    '  fix  install Node 24 LTS, or install again without leaving out optional packages where they exist (linux-x64, linux-arm64, win-x64)',
    '',
  ].join('\n');
}

module.exports = { root, minimum, newEnough, bundled, findNode, noNode };
