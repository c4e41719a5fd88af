// From tables of panels to Grafana's dashboards.  The types are Grafana's own
// (@grafana/schema); nothing of that package is needed to run this.
import type { Dashboard, DashboardLink, FieldConfigSource, GraphFieldConfig, Panel as GrafanaPanel, RowPanel, VariableModel } from '@grafana/schema';
import type * as BarGauge from '@grafana/schema/dist/types/raw/composable/bargauge/panelcfg/x/types.gen';
import type * as Stat from '@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import type * as StateTimeline from '@grafana/schema/dist/types/raw/composable/statetimeline/panelcfg/x/types.gen';
import type * as Table from '@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen';
import type * as TimeSeries from '@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';

/** As it is spelled in JSON: enumerations are their values. */
type Plain<T> = T extends string ? `${T}` : T extends number ? `${T}` extends `${infer N extends number}` ? N : T : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

// --- what the tables say -------------------------------------------------------

export type Query = [expr: string, legend: string];
type Steps = [color: string, from?: number][];

export interface Panel {
  title: string;
  /** What it tells, and what to make of it. */
  about: string;
  kind?: 'lines' | 'bars' | 'stat' | 'list' | 'states' | 'table';
  unit?: string;
  width?: number;
  height?: number;
  queries: Query[];
  min?: number;
  max?: number;
  decimals?: number;
  /** Stacks what adds up to a whole. */
  isStacked?: boolean;
  /** Its points lead to traces. */
  hasExemplars?: boolean;
  thresholds?: Steps;
  /** Of numbers to words. */
  words?: Record<number, [text: string, color: string]>;
  links?: Link[];
}

export interface Link {
  title: string;
  url: string;
}

export interface Row {
  title: string;
  panels: Panel[];
}

export interface Board {
  uid: string;
  title: string;
  about: string;
  tags: string[];
  from: string;
  variables: Plain<VariableModel>[];
  links: Link[];
  rows: Row[];
}

// --- variables and links -------------------------------------------------------

const prometheus = { type: 'prometheus', uid: '${datasource}' };

export function datasource(name: string, label: string, type: string): Plain<VariableModel> {
  return { type: 'datasource', name, label, query: type, refresh: 1, hide: 0, includeAll: false, multi: false, options: [], regex: '' };
}

/** The values of a label; All is `.*`, so that series without it count, too. */
export function labelValues(name: string, label: string, series: string, value = name): Plain<VariableModel> {
  const query = `label_values(${series}, ${value})`;
  return {
    type: 'query', name, label, datasource: prometheus,
    query: { query, refId: name, qryType: 1 }, refresh: 2, sort: 1, hide: 0, regex: '',
    multi: true, includeAll: true, allValue: '.*', options: [], current: { selected: true, text: ['All'], value: ['$__all'] },
  };
}

export function textbox(name: string, label: string, value: string, description: string): Plain<VariableModel> {
  const option = { selected: true, text: value, value };
  return { type: 'textbox', name, label, description, query: value, current: option, options: [option], hide: 0 };
}

/** Explore in Tempo, at the panel's time. */
export function traces(title: string, traceql: string): Link {
  const pane = {
    datasource: '${tempo}',
    queries: [{ refId: 'A', datasource: { type: 'tempo', uid: '${tempo}' }, queryType: 'traceql', query: traceql, limit: 20, tableType: 'traces' }],
    range: { from: '${__from}', to: '${__to}' },
  };
  // Grafana puts the variables in, so they must stay as they are
  const panes = encodeURIComponent(JSON.stringify({ a: pane })).replace(/%24%7B(\w+)%7D/g, '${$1}');
  return { title, url: `/explore?schemaVersion=1&panes=${panes}&orgId=\${__org.id}` };
}

function dashboardLink({ title, url }: Link): Plain<DashboardLink> {
  return { title, url, type: 'link', icon: 'external link', tooltip: title, tags: [], asDropdown: false, includeVars: false, keepTime: false, targetBlank: true };
}

const others: Plain<DashboardLink> = {
  title: 'Weir', url: '', type: 'dashboards', icon: 'external link', tooltip: 'The other dashboards of Weir', tags: ['weir'],
  asDropdown: false, includeVars: true, keepTime: true, targetBlank: false,
};

// --- panels --------------------------------------------------------------------

/** A tier has the same colour everywhere. */
const colours = { local: 'green', cloud: 'blue', none: 'text' };
const overrides = Object.entries(colours).map(([tier, fixedColor]) => ({
  matcher: { id: 'byName', options: tier },
  properties: [{ id: 'color', value: { mode: 'fixed', fixedColor } }],
}));

const calm: Steps = [['green']];

function fields(panel: Panel, custom: Plain<FieldConfigSource>['defaults']['custom'], mode: 'palette-classic' | 'thresholds'): Plain<FieldConfigSource> {
  const { unit, min, max, decimals, links, words } = panel;
  const options = Object.fromEntries(Object.entries(words ?? {}).map(([n, [text, color]], index) => [n, { text, color, index }]));
  return {
    defaults: {
      color: { mode: panel.kind === 'stat' || panel.kind === 'list' || panel.kind === 'states' ? 'thresholds' : mode },
      custom, unit: unit ?? 'short', min, max, decimals,
      mappings: words === undefined ? [] : [{ type: 'value', options }],
      thresholds: { mode: 'absolute', steps: (panel.thresholds ?? calm).map(([color, from]) => ({ color, value: from ?? null })) },
      links: (links ?? []).map((link) => ({ ...link, targetBlank: true })),
    },
    overrides: mode === 'thresholds' ? [] : overrides,
  };
}

const reduced = { calcs: ['lastNotNull'], fields: '', values: false };

const lines = (panel: Panel): Pick<Plain<GrafanaPanel>, 'type' | 'fieldConfig' | 'options'> => {
  const custom: Plain<GraphFieldConfig> = {
    drawStyle: panel.kind === 'bars' ? 'bars' : 'line', lineInterpolation: 'linear', lineWidth: 1, showPoints: 'never', spanNulls: false,
    fillOpacity: panel.isStacked ? 40 : panel.kind === 'bars' ? 60 : 8, gradientMode: 'none',
    stacking: { mode: panel.isStacked ? 'normal' : 'none', group: 'A' },
    thresholdsStyle: { mode: panel.thresholds ? 'line' : 'off' },
  };
  const options: Plain<TimeSeries.Options> = {
    legend: { displayMode: 'table', placement: 'bottom', showLegend: true, calcs: ['mean', 'max', 'lastNotNull'] },
    tooltip: { mode: 'multi', sort: 'desc' },
  };
  return { type: 'timeseries', fieldConfig: fields(panel, custom, 'palette-classic'), options: { ...options } };
};

const stat = (panel: Panel): Pick<Plain<GrafanaPanel>, 'type' | 'fieldConfig' | 'options'> => {
  const options: Plain<Stat.Options> = {
    colorMode: 'value', graphMode: 'area', justifyMode: 'auto', orientation: 'auto', textMode: 'auto',
    wideLayout: true, showPercentChange: false, percentChangeColorMode: 'standard', reduceOptions: reduced,
  };
  return { type: 'stat', fieldConfig: fields(panel, {}, 'thresholds'), options: { ...options } };
};

const list = (panel: Panel): Pick<Plain<GrafanaPanel>, 'type' | 'fieldConfig' | 'options'> => {
  const options: Plain<BarGauge.Options> = {
    displayMode: 'basic', orientation: 'horizontal', valueMode: 'color', namePlacement: 'auto', showUnfilled: true,
    sizing: 'auto', minVizHeight: 16, minVizWidth: 8, maxVizHeight: 300, reduceOptions: reduced,
    legend: { displayMode: 'list', placement: 'bottom', showLegend: false, calcs: [] },
  };
  return { type: 'bargauge', fieldConfig: fields(panel, {}, 'thresholds'), options: { ...options } };
};

const states = (panel: Panel): Pick<Plain<GrafanaPanel>, 'type' | 'fieldConfig' | 'options'> => {
  const custom: Plain<StateTimeline.FieldConfig> = { fillOpacity: 75, lineWidth: 0 };
  const options: Plain<StateTimeline.Options> = {
    mergeValues: true, showValue: 'auto', alignValue: 'left', rowHeight: 0.9,
    legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
    tooltip: { mode: 'single', sort: 'none' },
  };
  return { type: 'state-timeline', fieldConfig: fields(panel, { ...custom }, 'thresholds'), options: { ...options } };
};

const table = (panel: Panel): Pick<Plain<GrafanaPanel>, 'type' | 'fieldConfig' | 'options' | 'transformations'> => {
  const custom: Plain<Table.FieldConfig> = { align: 'auto', cellOptions: { type: 'auto' }, inspect: false };
  const options: Plain<Table.Options> = { showHeader: true, cellHeight: 'sm', frameIndex: 0 };
  const named = panel.queries.map(([, legend], i) => [`Value #${refId(i)}`, legend] as const);
  const organize = { excludeByName: { Time: true }, indexByName: {}, renameByName: Object.fromEntries(panel.queries.length > 1 ? named : [['Value', named[0]![1]]]) };
  return {
    type: 'table', fieldConfig: fields(panel, { ...custom }, 'thresholds'), options: { ...options },
    transformations: [
      { id: 'merge', options: {} },
      { id: 'organize', options: organize },
    ],
  };
};

const kinds = { lines, bars: lines, stat, list, states, table };

function refId(i: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + i);
}

function target(panel: Panel, [expr, legendFormat]: Query, i: number): Record<string, unknown> {
  const isNow = panel.kind === 'table' || panel.kind === 'list';
  return {
    refId: refId(i), datasource: prometheus, expr, legendFormat, editorMode: 'code',
    range: !isNow, instant: isNow, exemplar: panel.hasExemplars === true && i === 0, format: panel.kind === 'table' ? 'table' : 'time_series',
  };
}

/** What comes next to it stands beside it, as long as there is room. */
function place(rows: Row[]): Plain<GrafanaPanel | RowPanel>[] {
  const placed: Plain<GrafanaPanel | RowPanel>[] = [];
  let y = 0;
  for (const { title, panels } of rows) {
    placed.push({ id: placed.length + 1, type: 'row', title, collapsed: false, panels: [], gridPos: { x: 0, y, w: 24, h: 1 } });
    y++;
    let [x, tallest] = [0, 0];
    for (const panel of panels) {
      const w = panel.width ?? (panel.kind === 'stat' ? 4 : 8);
      const h = panel.height ?? (panel.kind === 'stat' ? 4 : 8);
      if (x + w > 24) [x, y, tallest] = [0, y + tallest, 0];
      placed.push({
        id: placed.length + 1, title: panel.title, description: panel.about, datasource: prometheus, gridPos: { x, y, w, h },
        targets: panel.queries.map((query, i) => target(panel, query, i)), ...kinds[panel.kind ?? 'lines'](panel),
      });
      [x, tallest] = [x + w, Math.max(tallest, h)];
    }
    y += tallest;
  }
  return placed;
}

export function dashboard(board: Board): Plain<Dashboard> {
  return {
    uid: board.uid, title: board.title, description: board.about, tags: ['weir', ...board.tags],
    schemaVersion: 42, version: 1, editable: false, graphTooltip: 1, timezone: 'browser', fiscalYearStartMonth: 0, liveNow: false,
    refresh: '30s', time: { from: board.from, to: 'now' }, timepicker: {},
    annotations: { list: [] },
    links: [others, ...board.links.map(dashboardLink)],
    templating: { list: board.variables },
    panels: place(board.rows),
  };
}
