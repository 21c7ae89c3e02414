import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { blobContainers, containers, queues } from '../../functions/services/stores.ts';
import { type BicepFile, type Resource, readBicep, type Value } from './bicep.ts';

/**
 * What infra/ promises, read by a parser of Bicep. It can't be compiled here (the compiler is not on npm): types and names of
 * properties are checked by `az bicep build` and `azd provision --preview` (docs/deploy.md).
 */
const root = join(import.meta.dirname, '../../infra');
const services = join(root, '../functions/services');
const files = new Map<string, BicepFile>();

before(async () => {
  for (const name of globSync('*.bicep', { cwd: root }))
    files.set(name.replace('.bicep', ''), await readBicep(readFileSync(join(root, name), 'utf8'), name));
});

type Tree = Record<string, Value>;
const file = (name: string): BicepFile => files.get(name) ?? assert.fail(`no infra/${name}.bicep`);
const all = (): Resource[] =>
  [...files.values()].flatMap(({ resources }) => resources).filter(({ existing }) => !existing);
const only = (module: string, symbol: string): Resource =>
  file(module).resources.find((resource) => resource.symbol === symbol) ?? assert.fail(`${module} has no ${symbol}`);
const properties = ({ body }: Resource): Tree => body.properties as Tree;
const at = (tree: Value | undefined, path: string): Value | undefined =>
  path.split('.').reduce<Value | undefined>((value, key) => (value as Tree | undefined)?.[key], tree);
const text = (value: Value | undefined): string =>
  typeof value === 'object' && value !== null && 'expr' in value ? String(value.expr) : String(value);

test('every file parses, and every module of main.bicep is there and is given exactly what it asks for', () => {
  const { modules, targetScope } = file('main');
  assert.equal(targetScope, 'subscription');
  assert.deepEqual(
    modules.map(({ path }) => path).sort(),
    [...files.keys()]
      .filter((name) => name !== 'main')
      .map((name) => `${name}.bicep`)
      .sort(),
  );
  for (const { path, body } of modules) {
    const { params } = file(path.replace('.bicep', ''));
    const needed = params.filter((param) => param.default === undefined).map(({ name }) => name);
    assert.deepEqual(Object.keys(body.params as Tree).sort(), needed.sort(), path);
  }
});

test('what modules ask of each other is what they give', () => {
  for (const { body, path } of file('main').modules)
    for (const [param, value] of Object.entries(body.params as Tree)) {
      const [, module, output] = /^(\w+)\.outputs\.(\w+)$/.exec(text(value)) ?? [];
      if (!module) continue;
      assert.ok(
        file(module).outputs.some(({ name }) => name === output),
        `${path} ${param}: ${module} has no output ${output}`,
      );
    }
});

test('the staff signs in by the app registration and without a secret; App Service does it only where that is asked for', () => {
  const settings = properties(only('gateway', 'settings'));
  assert.ok(settings.CONSOLE_ISSUER);
  assert.ok(!('CONSOLE_CLIENT_SECRET' in settings));
  const auth = properties(only('gateway', 'auth'));
  assert.equal(at(auth, 'globalValidation.requireAuthentication'), false);
  // Channels show tokens of their own there.
  assert.ok((at(auth, 'globalValidation.excludedPaths') as string[]).includes('/api/messages'));
});

test('the parameters file names parameters of main.bicep, and those without a default are given', () => {
  const { parameters } = JSON.parse(readFileSync(join(root, 'main.parameters.json'), 'utf8')) as { parameters: Tree };
  const { params } = file('main');
  for (const name of Object.keys(parameters))
    assert.ok(
      params.some((param) => param.name === name),
      name,
    );
  // Whatever can be set is set by `azd env set`, and by nothing else.
  const made = ['webhookSecret', 'newSessionKey'];
  for (const { name } of params) if (!made.includes(name)) assert.ok(name in parameters, name);
  for (const name of ['inferenceSku', 'location', 'publicInference', 'inferenceInstances', 'gatewayMaxInstances'])
    assert.ok(
      params.some((param) => param.name === name),
      name,
    );
});

test('no secret is an output, and what is secret is marked so wherever it goes', () => {
  for (const [name, { outputs }] of files)
    for (const { name: output, value } of outputs) {
      assert.doesNotMatch(output, /secret|password|key/i, `${name} ${output}`);
      assert.doesNotMatch(
        text(value),
        /listKeys|listChannelWithKeys|primaryMasterKey|webhookSecret/,
        `${name} ${output}`,
      );
    }
  for (const [name, { params }] of files)
    for (const { name: param, secure } of params)
      if (/secret|webhookUrl/i.test(param) && param !== 'webhookUrl') assert.ok(secure, `${name} ${param}`);
});

test('nothing takes keys: storage, database, registry, insights, workspace, bot', () => {
  const account = properties(only('storage', 'account'));
  assert.equal(account.allowSharedKeyAccess, false);
  assert.equal(account.allowBlobPublicAccess, false);
  assert.equal(account.minimumTlsVersion, 'TLS1_2');
  assert.equal(account.supportsHttpsTrafficOnly, true);
  const cosmos = properties(only('database', 'account'));
  assert.equal(cosmos.disableLocalAuth, true);
  assert.equal(cosmos.minimalTlsVersion, 'Tls12');
  const registry = properties(only('registry', 'registry'));
  assert.equal(registry.adminUserEnabled, false);
  assert.equal(registry.anonymousPullEnabled, false);
  assert.equal(properties(only('monitoring', 'insights')).DisableLocalAuth, true);
  assert.equal(at(properties(only('monitoring', 'workspace')), 'features.disableLocalAuth'), true);
  assert.equal(text(properties(only('bot', 'bot')).disableLocalAuth), 'disableLocalAuth');
});

test('sites take HTTPS alone, TLS 1.2 and no publishing passwords', () => {
  for (const [module, symbol] of [
    ['inference', 'site'],
    ['gateway', 'site'],
    ['training', 'site'],
  ] as const) {
    assert.equal(properties(only(module, symbol)).httpsOnly, true);
  }
  // What a swap warms by plain HTTP must not answer with a redirect; nobody but the gateway and the allowed addresses reaches it.
  assert.equal(properties(only('inference', 'staging')).httpsOnly, false);
  const configuration = file('inference').variables.configuration as Tree;
  const gateway = at(properties(only('gateway', 'site')), 'siteConfig') as Tree;
  for (const config of [configuration, gateway]) {
    assert.equal(config.minTlsVersion, '1.2');
    assert.equal(config.http20Enabled, true);
  }
  assert.equal(configuration.ftpsState, 'Disabled');
  for (const ignored of ['ftpsState', 'healthCheckPath'])
    assert.ok(!(ignored in gateway), `Flex Consumption refuses or ignores ${ignored}`);
  const policies = all().filter(({ type }) => type.endsWith('basicPublishingCredentialsPolicies'));
  assert.deepEqual(
    policies.map(({ parent, body }) => `${parent} ${body.name} ${at(body, 'properties.allow')}`).sort(),
    [...Array(3).fill('site ftp false'), ...Array(3).fill('site scm false'), 'staging ftp false', 'staging scm false'],
  );
});

test('the database has the containers that the code uses, by their keys, with TTL and an index that fits the queries', () => {
  const found = Object.fromEntries(
    file('database')
      .resources.filter(({ type }) => type.endsWith('/containers'))
      .map(({ body }) => {
        const container = at(body, 'properties.resource') as Tree;
        const paths = (kind: string) =>
          ((at(container, `indexingPolicy.${kind}`) ?? []) as Tree[]).map(({ path }) => String(path));
        return [
          container.id,
          {
            key: at(container, 'partitionKey.paths') as string[],
            ttl: container.defaultTtl,
            indexed: paths('includedPaths'),
            not: paths('excludedPaths'),
          },
        ];
      }),
  );
  const wanted = Object.entries(containers).map(([name, { partitionKey, days, indexed }]) => [
    name,
    { key: [partitionKey], ttl: days === null ? undefined : -1, indexed, not: ['/*'] },
  ]);
  assert.deepEqual(found, Object.fromEntries(wanted));
  // Every field that a query filters or sorts by has an index, but the key itself, and what is looked for among what a time has (which is
  // indexed, and bounded by who asks).
  const among = new Set([
    'outcome',
    'skill',
    'givenId',
    'kind',
    'text',
    'locale',
    'channel',
    'action',
    'label',
    'again',
  ]);
  for (const name of globSync('*.ts', { cwd: services })) {
    const code = readFileSync(join(services, name), 'utf8');
    for (const [, field] of code.matchAll(/(?:ORDER BY|WHERE|AND|CONTAINS\() ?c\.(\w+)/g))
      assert.ok(
        field === 'id' ||
          field === 'conversationId' ||
          among.has(field!) ||
          Object.values(containers).some(({ indexed }) => indexed.some((path) => path.split('/')[1] === field)),
        `${name}: ${field}`,
      );
  }
  const account = properties(only('database', 'account'));
  assert.deepEqual(account.capabilities, [{ name: 'EnableServerless' }]);
  assert.equal(at(account, 'consistencyPolicy.defaultConsistencyLevel'), 'Strong');
});

test('storage has a queue for each queue function, with its poison queue, and the containers', () => {
  const { variables } = file('storage');
  const [, fixed = ''] = /concat\((\[[^\]]*\]), skills\)/.exec(text(variables.queues)) ?? [];
  const names = [...fixed.matchAll(/'([\w-]+)'/g)].map(([, name]) => name);
  assert.deepEqual([...names, ...(variables.skills as string[])], queues);
  assert.match(text(variables.poison), /-poison/);
  const queue = only('storage', 'queue');
  assert.match(queue.loop ?? '', /concat\(queues, poison\)/);
  const made = [...(only('storage', 'container').loop ?? '').matchAll(/'([\w-]+)'/g)].map(([, name]) => name);
  assert.deepEqual(made, Object.keys(blobContainers));
  const rules = at(properties(only('storage', 'lifecycle')), 'policy.rules') as Tree[];
  assert.deepEqual(
    rules.map((rule) => [
      at(rule, 'definition.filters.prefixMatch'),
      at(rule, 'definition.actions.baseBlob.delete.daysAfterModificationGreaterThan'),
    ]),
    Object.entries(blobContainers).flatMap(([name, { days }]) => (days === null ? [] : [[[`${name}/`], days]])),
  );
});

test('the gateway is a Flex Consumption app whose every connection is its identity', () => {
  const plan = only('gateway', 'plan');
  assert.deepEqual(plan.body.sku, { name: 'FC1', tier: 'FlexConsumption' });
  const flex = at(properties(only('gateway', 'site')), 'functionAppConfig') as Tree;
  assert.equal(at(flex, 'deployment.storage.authentication.type'), 'UserAssignedIdentity');
  assert.equal(at(flex, 'runtime.name'), 'node');
  const settings = properties(only('gateway', 'settings'));
  for (const prefix of ['AzureWebJobsStorage', 'STORAGE_CONNECTION']) {
    assert.equal(settings[`${prefix}__credential`], 'managedidentity');
    for (const part of ['clientId', 'blobServiceUri', 'queueServiceUri'])
      assert.ok(settings[`${prefix}__${part}`], part);
  }
  assert.ok(
    !('STORAGE_CONNECTION' in settings) && !('COSMOS_KEY' in settings) && !('MicrosoftAppPassword' in settings),
  );
  assert.equal(settings.MicrosoftAppType, 'UserAssignedMSI');
  // What the code reads and Azure must give.
  const schema = readFileSync(join(root, '../functions/services/settings.ts'), 'utf8');
  for (const name of Object.keys(settings))
    if (!/^(AzureWebJobs|APPLICATIONINSIGHTS_AUTH|STORAGE_CONNECTION__credential|OVERRIDE_USE_MI)/.test(name))
      assert.match(schema, new RegExp(`\\b${name}\\b`), name);
  for (const name of [
    'COSMOS_ENDPOINT',
    'INFERENCE_URL',
    'STAGING_URL',
    'SHOP_URL',
    'REGISTRY_URL',
    'REGISTRY_WEBHOOK_SECRET',
    'INFERENCE_SITE',
    'AZURE_CLIENT_ID',
    'DIRECT_LINE_SECRET',
  ])
    assert.ok(settings[name], name);
});

test('the model server has a staging slot that only a healthy image may leave', () => {
  const { variables } = file('inference');
  const configuration = variables.configuration as Tree;
  assert.equal(configuration.healthCheckPath, '/v2/health/live');
  assert.equal(configuration.alwaysOn, true);
  assert.equal(configuration.acrUseManagedIdentityCreds, true);
  assert.equal(text(configuration.acrUserManagedIdentityID), 'identityClientId');
  const settings = Object.fromEntries((variables.fixed as Tree[]).map(({ name, value }) => [String(name), value]));
  assert.equal(settings.WEBSITE_SWAP_WARMUP_PING_PATH, '/v2/health/ready');
  assert.equal(settings.WEBSITE_SWAP_WARMUP_PING_STATUSES, '200');
  assert.equal(settings.WEBSITES_CONTAINER_START_TIME_LIMIT, '230');
  for (const symbol of ['site', 'staging']) {
    const { body } = only('inference', symbol);
    assert.equal(body.kind, 'app,linux,container');
    assert.equal(at(body, 'identity.type'), 'UserAssigned');
    assert.match(text(at(body, 'properties.siteConfig')), /DOCKER\|.*Image/);
  }
  assert.equal(only('inference', 'staging').type, 'Microsoft.Web/sites/slots');
  assert.deepEqual(properties(only('inference', 'sticky')).appSettingNames, ['MARU_SLOT']);
  const skus = file('main').params.find(({ name }) => name === 'inferenceSku')!;
  assert.ok(
    skus.decorators.some((decorator) => /allowed/.test(decorator) && !/'[FB]\d/.test(decorator)),
    'slots need Standard',
  );
});

test('the model server lets in the gateway and listed addresses, and is open only with a key', () => {
  const { variables, params } = file('inference');
  const configuration = variables.configuration as Tree;
  assert.match(text(configuration.ipSecurityRestrictionsDefaultAction), /isOpen \? 'Allow' : 'Deny'/);
  assert.match(text(variables.isOpen), /isPublic && !empty\(inferenceKey\)/);
  assert.match(text(configuration.ipSecurityRestrictions), /gatewayRule/);
  assert.equal(text((variables.gatewayRule as Tree).vnetSubnetResourceId), 'gatewaySubnetId');
  assert.match(text(variables.settings), /INFERENCE_KEY/);
  assert.doesNotMatch(JSON.stringify(variables), /REPOSITORY_KEY/, 'nobody loads models by HTTP');
  assert.ok(params.find(({ name }) => name === 'inferenceKey')!.decorators.some((one) => /secure/.test(one)));
  const main = file('main');
  const isDefault = (name: string) => text(main.params.find((param) => param.name === name)!.default);
  assert.equal(isDefault('publicInference'), 'false');
  assert.equal(text(at(only('gateway', 'site').body, 'properties.virtualNetworkSubnetId')), 'subnetId');
  const subnet = properties(only('network', 'gateway'));
  assert.match(JSON.stringify(subnet.delegations), /Microsoft\.App\/environments/);
  assert.match(JSON.stringify(subnet.serviceEndpoints), /Microsoft\.Web/);
  const given = JSON.parse(readFileSync(join(root, 'main.parameters.json'), 'utf8')).parameters;
  assert.match(given.publicInference.value, /PUBLIC_INFERENCE=false/);
  assert.ok(given.allowedAddresses && given.inferenceKey);
});

test('the registry tells the gateway of pushes to the release tag, with the secret in a header', () => {
  const webhook = properties(only('registry', 'webhook'));
  assert.deepEqual(webhook.actions, ['push']);
  assert.equal(webhook.scope, 'maru/inference:staging');
  assert.equal(text((webhook.customHeaders as Tree)['X-Maru-Webhook-Secret']), 'webhookSecret');
});

test('the bot has no password, and Direct Line and Web Chat', () => {
  const bot = only('bot', 'bot');
  assert.equal(bot.body.kind, 'azurebot');
  assert.equal(bot.body.location, 'global');
  assert.equal(properties(bot).msaAppType, 'UserAssignedMSI');
  assert.deepEqual(
    file('bot')
      .resources.filter(({ type }) => type.endsWith('/channels'))
      .map(({ body }) => body.name),
    ['WebChatChannel', 'DirectLineChannel'],
  );
});

test('each identity has the roles it needs and no other; the gateway may stage and not swap', () => {
  const assigned = file('access')
    .resources.filter(({ type, existing }) => /roleAssignments$/i.test(type) && !existing)
    .map((resource) => {
      const { principalId, roleDefinitionId } = properties(resource);
      const role = /roles\.(\w+)|'(\w+)'|stager|swapper|sqlRoleDefinitions\/([\w-]+)/.exec(text(roleDefinitionId));
      return `${text(principalId)} ${role?.[1] ?? role?.[0]} on ${text(resource.body.scope ?? resource.parent ?? '')}`;
    });
  assert.deepEqual(assigned.sort(), [
    'deployerId registryPush on registry',
    'deployerId sqlRoleDefinitions/00000000-0000-0000-0000-000000000002 on cosmos',
    'gatewayPrincipalId blobDataOwner on storage',
    'gatewayPrincipalId metricsPublisher on insights',
    'gatewayPrincipalId queueDataContributor on storage',
    'gatewayPrincipalId registryPull on registry',
    'gatewayPrincipalId sqlRoleDefinitions/00000000-0000-0000-0000-000000000002 on cosmos',
    'gatewayPrincipalId stager on site',
    'gatewayPrincipalId swapper on site',
    'inferencePrincipalId blobDataReader on models',
    'inferencePrincipalId registryPull on registry',
    'trainingPrincipalId blobDataOwner on storage',
    'trainingPrincipalId metricsPublisher on insights',
    'trainingPrincipalId queueDataContributor on storage',
    'trainingPrincipalId registryPush on registry',
    'trainingPrincipalId sqlRoleDefinitions/00000000-0000-0000-0000-000000000002 on cosmos',
  ]);
  const [{ actions }] = properties(only('access', 'stager')).permissions as [{ actions: string[] }];
  assert.ok(actions.includes('Microsoft.Web/sites/slots/config/write'));
  for (const action of actions) {
    assert.doesNotMatch(action, /swap/i);
    assert.notEqual(action, 'Microsoft.Web/sites/config/write');
    assert.doesNotMatch(action, /\*/);
  }
  // Writes images only where models are trained here.
  for (const { symbol, condition } of file('access').resources)
    if (symbol.startsWith('training')) assert.match(String(condition), /training/, symbol);
  // Swaps only where the console was given the right to.
  for (const symbol of ['swapper', 'gatewaySwapper'])
    assert.match(String(only('access', symbol).condition), /consoleSwaps/, symbol);
});

test('alerts: failed turns, poison messages, p95 latency, failed staging; each asks for what the gateway logs', () => {
  const rules = file('alerts').resources.filter(({ type }) => type.endsWith('scheduledQueryRules'));
  assert.deepEqual(rules.map(({ symbol }) => symbol).sort(), [
    'failedStaging',
    'failedTurns',
    'poisonMessages',
    'slowTurns',
  ]);
  const sources = globSync('functions/**/*.ts', { cwd: join(root, '..') }).map((path) =>
    readFileSync(join(root, '..', path), 'utf8'),
  );
  for (const rule of rules) {
    const [{ query }] = at(properties(rule), 'criteria.allOf') as [Tree];
    const [, message] = /line\.message == "([^"]+)"/.exec(text(query)) ?? [];
    // A row may stand for several lines.
    if (!text(query).includes('percentile')) assert.match(text(query), /counted\}/);
    assert.ok(message && sources.some((source) => source.includes(`'${message}', {`)), `nobody logs ${message}`);
    const [group] = at(properties(rule), 'actions.actionGroups') as Value[];
    assert.equal(text(group), 'operators.id');
  }
});

test('the workbook is one, and asks for what the gateway logs', () => {
  const workbook = JSON.parse(readFileSync(join(root, 'workbook.json'), 'utf8')) as {
    version: string;
    items: unknown[];
  };
  assert.equal(workbook.version, 'Notebook/1.0');
  assert.ok(workbook.items.length >= 8);
  assert.match(text(at(properties(only('monitoring', 'workbook')), 'serializedData')), /workbook\.json/);
});

test('what holds data or serves sends its diagnostics to the workspace', () => {
  const scopes = [...files].flatMap(([name, { resources }]) =>
    resources
      .filter(({ type }) => type.endsWith('diagnosticSettings'))
      .map(({ body }) => `${name} ${text(body.scope)}`),
  );
  assert.deepEqual(scopes.sort(), [
    'bot bot',
    'database account',
    'gateway site',
    'inference site',
    'registry registry',
    'storage queueService',
    'training site',
  ]);
});

test('names are unique and within their limits', () => {
  const token = 'abcdefghijklm';
  const filled = (name: string) => name.replace(/^'|'$/g, '').replace(/\$\{[^}]+\}/g, token);
  const limits: Record<string, RegExp> = {
    'Microsoft.Storage/storageAccounts': /^[a-z0-9]{3,24}$/,
    'Microsoft.ContainerRegistry/registries': /^[a-z0-9]{5,50}$/,
    'Microsoft.DocumentDB/databaseAccounts': /^[a-z0-9-]{3,44}$/,
    'Microsoft.ManagedIdentity/userAssignedIdentities': /^[\w-]{3,128}$/,
    'Microsoft.OperationalInsights/workspaces': /^[\w-]{4,63}$/,
    'Microsoft.BotService/botServices': /^[\w-]{2,64}$/,
    'Microsoft.ContainerRegistry/registries/webhooks': /^[a-z0-9]{5,50}$/,
  };
  const seen = new Set<string>();
  for (const { type, body, parent } of all()) {
    const name = filled(text(body.name));
    const limit = limits[type];
    if (limit) assert.match(name, limit, type);
    if (parent || body.scope || type.endsWith('roleAssignments')) continue;
    assert.ok(
      !seen.has(`${type} ${text(body.name)}`) || type.endsWith('serverfarms') || type.endsWith('sites'),
      `${type} ${name}`,
    );
    seen.add(`${type} ${text(body.name)}`);
  }
  for (const name of ['gatewayName', 'inferenceName'])
    assert.match(filled(text(file('main').variables[name])), /^[a-z0-9-]{2,60}$/);
});

test('every resource names a released version of its type', () => {
  for (const { type, apiVersion } of all()) {
    const preview = type === 'Microsoft.Insights/diagnosticSettings';
    assert.match(apiVersion, preview ? /^\d{4}-\d\d-\d\d(-preview)?$/ : /^\d{4}-\d\d-\d\d$/, type);
  }
});

test('azd: the gateway from its build, the model server left to releases, and a deployment that keeps what is live', () => {
  const yaml = readFileSync(join(root, '../azure.yaml'), 'utf8');
  assert.match(yaml, /host: function\n/);
  assert.match(yaml, /dist: dist\/functions/);
  assert.match(yaml, /remoteBuild: false/);
  assert.match(yaml, /preprovision:/);
  assert.doesNotMatch(yaml, /host: appservice/);
});

test('the gateway is tried by the Node that Azure runs it by', () => {
  const { version } = at(properties(only('gateway', 'site')), 'functionAppConfig.runtime') as Tree;
  assert.match(readFileSync(join(root, '../.ci/run'), 'utf8'), new RegExp(`--package=node@${version} `));
});

test('whoever deploys from GitHub sets every parameter that a person may set: none goes back to its default', () => {
  const { parameters } = JSON.parse(readFileSync(join(root, 'main.parameters.json'), 'utf8')) as {
    parameters: Record<string, { value: string }>;
  };
  const names = Object.values(parameters).map(({ value }) => /^\$\{(\w+)/.exec(value)![1]!);
  // The hook and azd itself set these.
  const made = ['PRODUCTION_IMAGE', 'STAGING_IMAGE', 'AZURE_PRINCIPAL_ID', 'AZURE_PRINCIPAL_TYPE'];
  const workflow = readFileSync(join(root, '../.github/workflows/deploy.yml'), 'utf8');
  const pipeline = readFileSync(join(root, '../azure.yaml'), 'utf8');
  for (const name of names.filter((one) => !made.includes(one))) {
    assert.match(workflow, new RegExp(`^      ${name}: \\$\\{\\{ (vars|secrets)\\.${name} \\}\\}$`, 'm'), name);
    if (!name.startsWith('AZURE_')) assert.match(pipeline, new RegExp(`[\\[ ]${name}[,\\]]`), name);
  }
});
