import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { parseAllDocuments } from 'yaml';
import { Access } from '../../inference-container/protocol/access.ts';
import { parseSettings } from '../../inference-container/settings.ts';
import { runtime } from '../../scripts/release/runtime.ts';
import { useTemporary } from '../release/tar.ts';

const repository = join(import.meta.dirname, '../..');
const chart = join(repository, 'infra/kubernetes');
const tools = process.env.KUBERNETES_TOOLS ?? join(repository, '.local/kubernetes');
const helm = join(tools, 'bin/helm');
const kubeconform = join(tools, 'bin/kubeconform');
/** Of the cluster that the chart is rendered for, and of the schemas it is held against. */
const VERSION = '1.34.0';
const run = promisify(execFile);
const temporary = useTemporary();

interface Container {
  image: string;
  env?: { name: string; value?: string; valueFrom?: { secretKeyRef: { name: string; key: string } } }[];
  args?: string[];
  startupProbe: { httpGet: { path: string } };
  livenessProbe: { httpGet: { path: string } };
  readinessProbe: { httpGet: { path: string } };
  securityContext: object;
  lifecycle: { preStop: { sleep: { seconds: number } } };
  volumeMounts: { mountPath: string }[];
}
interface Kind {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  // biome-ignore lint/suspicious/noExplicitAny: manifests of a dozen kinds, each looked at by the test that knows it.
  spec: any;
}

async function render(...options: string[]): Promise<Kind[]> {
  const { stdout } = await run(helm, [
    'template',
    'shop',
    chart,
    '-n',
    'models',
    '--kube-version',
    VERSION,
    ...options,
  ]);
  return parseAllDocuments(stdout)
    .map((document) => document.toJS() as Kind | null)
    .filter((document) => document !== null);
}

const valuesOf = (name: string) => ['--values', join(chart, 'values', `${name}.yaml`)];
const refuses = (options: string[], message: RegExp) => assert.rejects(render(...options), message);
const of = (kinds: Kind[], kind: string, name?: string) =>
  kinds.find((one) => one.kind === kind && (name === undefined || one.metadata.name === name))!;
const containerOf = (deployment: Kind): Container => deployment.spec.template.spec.containers[0];

const isThere = existsSync(helm) && existsSync(kubeconform);
if (!isThere && process.env.CI) throw new Error('no helm: .ci/run fetches it by scripts/check/kubernetes-tools.sh');

describe('the chart of the model server', {
  skip: !isThere && 'scripts/check/kubernetes-tools.sh fetches helm',
}, () => {
  test('renders for every set of values, and each kind is as its schema says', async () => {
    const sets = (await readdir(join(chart, 'values'))).map((file) => file.replace(/\.yaml$/, ''));
    assert.deepEqual(sets.sort(), ['blob', 'image', 'queue']);
    for (const set of sets) {
      const kinds = await render(...valuesOf(set));
      const own = kinds.filter(({ apiVersion }) => !/keda|gateway\.networking|coreos/.test(apiVersion));
      const file = `${temporary.next()}.json`;
      await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: own }));
      const location = join(tools, 'schemas/{{.ResourceKind}}{{.KindSuffix}}.json');
      const { stdout, status } = spawnSync(
        kubeconform,
        ['-strict', '-summary', '-kubernetes-version', VERSION, '-schema-location', location, file],
        { encoding: 'utf8' },
      );
      assert.equal(status, 0, `${set}: ${stdout}`);
      assert.match(stdout, new RegExp(`Valid: ${own.length}, Invalid: 0, Errors: 0, Skipped: 0`));
      for (const other of kinds.filter((kind) => !own.includes(kind))) await validate(other);
    }
  });

  test('runs as the image does: as nobody, read-only, with its cache on a volume and its own health paths', async () => {
    for (const set of ['image', 'blob', 'queue']) {
      for (const deployment of (await render(...valuesOf(set))).filter(({ kind }) => kind === 'Deployment')) {
        const { spec } = deployment.spec.template;
        const container = containerOf(deployment);
        assert.equal(`${spec.securityContext.runAsUser}:${spec.securityContext.runAsGroup}`, runtime.User);
        assert.equal(spec.securityContext.runAsNonRoot, true);
        assert.deepEqual(container.securityContext, {
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
        });
        assert.match(container.image, /@sha256:[a-f0-9]{64}$/);
        const cache = runtime.Env.find((entry) => entry.startsWith('CACHE_DIR='))!.split('=')[1]!;
        assert.ok(container.volumeMounts.some(({ mountPath }) => cache.startsWith(`${mountPath}/`)));
        // Kubernetes shows no key: what it asks for is answered without one.
        const access = new Access({ INFERENCE_KEY: 'a key of sixteen characters'.replaceAll(' ', '-') });
        for (const probe of [container.startupProbe, container.livenessProbe, container.readinessProbe])
          access.admit({ url: probe.httpGet.path, headers: {} } as never);
        assert.equal(container.startupProbe.httpGet.path, '/v2/health/live');
        assert.equal(container.livenessProbe.httpGet.path, '/v2/health/live');
        assert.equal(container.readinessProbe.httpGet.path, '/v2/health/ready');
        const settings = parseSettings(environmentOf(container));
        const slow = containerOf(
          of(await render(...valuesOf(set), '--set', 'settings.SHUTDOWN_SECONDS=120'), 'Deployment'),
        );
        assert.equal(parseSettings(environmentOf(slow)).SHUTDOWN_SECONDS, 120);
        const [patient] = (await render(...valuesOf(set), '--set', 'settings.SHUTDOWN_SECONDS=120')).filter(
          ({ kind }) => kind === 'Deployment',
        );
        assert.ok(patient!.spec.template.spec.terminationGracePeriodSeconds > 130);
        assert.ok(
          spec.terminationGracePeriodSeconds > container.lifecycle.preStop.sleep.seconds + settings.SHUTDOWN_SECONDS,
          'a pod is not killed while it finishes',
        );
      }
    }
  });

  test('every setting it writes is one of the server', async () => {
    const container = containerOf(of(await render(...valuesOf('blob')), 'Deployment'));
    const settings = parseSettings(environmentOf(container));
    assert.deepEqual(settings.REQUIRED_MODELS, ['intents', 'faq']);
    // The server reads models from there, or it would not start.
    const { BlobSource } = await import('../../inference-container/models/blob-source.ts');
    assert.ok(new BlobSource({ ...settings, AZURE_CLIENT_ID: 'id' }, pino({ level: 'silent' })));
    assert.equal(settings.MODEL_BLOB_URL, 'https://contoso.blob.core.windows.net/models');
    assert.equal(settings.WORKERS, 2);
    const { properties } = JSON.parse(await readFile(join(chart, 'values.schema.json'), 'utf8'));
    for (const name of Object.keys(properties.settings.properties))
      assert.ok(name in parseSettings({ [name]: '' }) || /THREADS|WORKERS/.test(name), name);
    await refuses([...valuesOf('image'), '--set', 'settings.WORKER=2'], /WORKER/);
    for (const { name } of container.env!) assert.ok(name in settings, name);
    const keys = container.env!.filter(({ valueFrom }) => valueFrom).map(({ valueFrom }) => valueFrom!.secretKeyRef);
    assert.deepEqual(keys, [
      { name: 'inference-keys', key: 'INFERENCE_KEY' },
      { name: 'inference-keys', key: 'REPOSITORY_KEY' },
    ]);
  });

  test('weights in a Blob container are read by an identity', async () => {
    const kinds = await render(...valuesOf('blob'));
    const account = of(kinds, 'ServiceAccount') as Kind & { metadata: { annotations: Record<string, string> } };
    assert.equal(
      account.metadata.annotations['azure.workload.identity/client-id'],
      '00000000-0000-0000-0000-000000000001',
    );
    const { metadata, spec } = of(kinds, 'Deployment').spec.template;
    assert.equal(metadata.labels['azure.workload.identity/use'], 'true');
    assert.equal(spec.serviceAccountName, account.metadata.name);
    await refuses([...valuesOf('blob'), '--set', 'workloadIdentity.clientId='], /read by an identity, not by a key/);
  });

  test('a canary by pods has the share that is nearest to its weight', async () => {
    for (const [replicas, weight, pods] of [
      [3, 25, 1],
      [9, 10, 1],
      [4, 50, 4],
      [19, 7, 1],
      [3, 0, 0],
    ]) {
      const kinds = await render(...valuesOf('image'), '--set', `replicas=${replicas},canary.weight=${weight}`);
      assert.equal(of(kinds, 'Deployment', 'shop-stable').spec.replicas, replicas);
      const canary = of(kinds, 'Deployment', 'shop-canary');
      assert.equal(canary.spec.replicas, pods, `${replicas} pods, ${weight} %`);
      assert.match(containerOf(canary).image, /@sha256:b{64}$/);
      // One service finds the pods of both.
      const { selector } = of(kinds, 'Service', 'shop').spec;
      for (const track of ['stable', 'canary']) {
        const { labels } = of(kinds, 'Deployment', `shop-${track}`).spec.template.metadata;
        assert.deepEqual({ ...labels, ...selector }, labels);
      }
    }
    assert.ok(!of(await render(...valuesOf('image'), '--set', 'canary.enabled=false'), 'Deployment', 'shop-canary'));
    await refuses(
      [...valuesOf('image'), '--set', 'replicas=2,canary.weight=5'],
      /1 pods beside 2 give a canary 33 %, not 5/,
    );
    await refuses([...valuesOf('image'), '--set', 'replicas=20,canary.weight=90'], /at most 50 %/);
  });

  test('a canary behind a gateway has its weight exactly', async () => {
    const kinds = await render(...valuesOf('queue'), '--set', 'canary.weight=7');
    const [rule] = of(kinds, 'HTTPRoute').spec.rules;
    assert.deepEqual(rule.backendRefs, [
      { name: 'shop-stable', port: 80, weight: 93 },
      { name: 'shop-canary', port: 80, weight: 7 },
    ]);
    for (const track of ['stable', 'canary'])
      assert.equal(of(kinds, 'Service', `shop-${track}`).spec.selector['maru/track'], track);
    assert.equal(
      of(kinds, 'Service', 'shop').spec.selector['maru/track'],
      'stable',
      'not a half of what comes from inside',
    );
    // One that never gets ready keeps no node from being drained.
    for (const track of ['stable', 'canary'])
      assert.equal(of(kinds, 'PodDisruptionBudget', `shop-${track}`).spec.selector.matchLabels['maru/track'], track);
    await refuses([...valuesOf('queue'), '--set', 'keys.inference=false'], /a route lets everybody in/);
  });

  test('more pods come by the processors, or by what waits in the server', async () => {
    const byProcessor = of(await render(...valuesOf('blob')), 'HorizontalPodAutoscaler').spec;
    assert.equal(byProcessor.scaleTargetRef.name, 'shop-stable');
    assert.equal(byProcessor.metrics[0].resource.name, 'cpu');
    const kinds = await render(...valuesOf('queue'));
    const [trigger] = of(kinds, 'ScaledObject', 'shop-stable').spec.triggers;
    const metric = /sum\((\w+)\{namespace="models",pod=~"shop-stable-\.\+"\}\)/.exec(trigger.metadata.query)?.[1];
    assert.ok(metric);
    const { Metrics } = await import('../../inference-container/metrics.ts');
    assert.match((await new Metrics(true).text()).toString(), new RegExp(`^# TYPE ${metric} gauge`, 'm'));
    for (const deployment of kinds.filter(({ kind }) => kind === 'Deployment'))
      assert.equal(deployment.spec.replicas, undefined, 'an upgrade must not undo what the scaler did');
    await refuses([...valuesOf('queue'), '--set', 'autoscaling.queue.address='], /where Prometheus is/);
    await refuses([...valuesOf('queue'), '--set', 'monitor.enabled=false'], /must read what waits/);
    await refuses([...valuesOf('queue'), '--set', 'autoscaling.queue.clientId='], /needs autoscaling\.queue\.clientId/);
    const peers = JSON.stringify(of(kinds, 'NetworkPolicy').spec.ingress[0].from);
    assert.match(peers, /kube-system/, 'who reads the metrics gets in');
    await refuses([...valuesOf('queue'), '--set', 'route.parents=null'], /needs route\.parents/);
  });

  test('closed until opened: no address outside, pods of the namespace alone, no tag, no key in values', async () => {
    const kinds = await render(...valuesOf('image'));
    assert.ok(kinds.every(({ kind }) => kind !== 'Ingress' && kind !== 'HTTPRoute'));
    assert.ok(kinds.filter(({ kind }) => kind === 'Service').every(({ spec }) => spec.type === 'ClusterIP'));
    for (const from of ['[]', 'null'])
      assert.deepEqual(
        of(await render(...valuesOf('image'), '--set-json', `network.from=${from}`), 'NetworkPolicy').spec.ingress[0]
          .from,
        [{ podSelector: {} }],
        'no peers would be everybody',
      );
    await refuses([...valuesOf('image'), '--set-json', 'network.from=[{}]'], /network/);
    await refuses([...valuesOf('image'), '--set-string', 'cache=2Gi\\, medium: Memory'], /cache/);
    await refuses([...valuesOf('image'), '--set', 'image.digest=latest'], /digest/);
    await refuses([...valuesOf('image'), '--set', 'canary.digest=v2'], /digest/);
    await refuses([...valuesOf('image'), '--set', 'settings.INFERENCE_KEY=a-key-in-the-values'], /settings/);
    await refuses([...valuesOf('image'), '--set', 'keys.inference=true'], /keys\.secret/);
    await refuses([...valuesOf('image'), '--set', 'canery.weight=5'], /canery/);
    await refuses([], /image/);
  });
});

function environmentOf(container: Container): Record<string, string> {
  return Object.fromEntries(
    (container.env ?? []).map(({ name, value }) => [name, value ?? 'from-a-secret-of-the-cluster']),
  );
}

/** By the schemas of those who bring a kind. */
async function validate(kind: Kind): Promise<void> {
  const group = kind.apiVersion.replace('azmonitoring.', 'monitoring.');
  const pack = { keda: 'keda', gateway: 'gateway-api', monitoring: 'prometheus-operator' }[group.split('.')[0]!];
  assert.ok(pack, kind.apiVersion);
  const file = join(tools, 'node_modules/@kubernetes-models', pack, group, `${kind.kind}.js`);
  const Model = (await import(file))[kind.kind];
  new Model({ ...kind, apiVersion: group }).validate();
}
