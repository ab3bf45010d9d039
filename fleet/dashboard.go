// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"encoding/json"
	"fmt"
)

// Panels are all that the dashboard has, without the headings.
func Panels() (all []Panel) {
	for _, r := range rows {
		all = append(all, r.panels...)
	}
	return all
}

type object = map[string]any

// source is the Prometheus that the user chooses.
var source = object{"type": "prometheus", "uid": "${datasource}"}

// Dashboard returns the dashboard as Grafana imports it.
func Dashboard() ([]byte, error) {
	text, err := json.MarshalIndent(object{
		"title":         "viaduct: SIP connections",
		"uid":           "viaduct-sip-connections",
		"description":   "What SIP neighbours do with their connections, as the viaduct agents see it.",
		"tags":          []string{"viaduct", "sip"},
		"schemaVersion": 39,
		"editable":      true,
		"graphTooltip":  1,
		"refresh":       "30s",
		"time":          object{"from": "now-6h", "to": "now"},
		"templating": object{"list": []any{
			object{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
			variable("job", `label_values(viaduct_build_info, job)`),
			variable("instance", `label_values(viaduct_build_info{job=~"$job"}, instance)`),
			variable("peer", `label_values(viaduct_connections{job=~"$job",instance=~"$instance"}, peer)`),
		}},
		"panels": layout(),
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the dashboard: %w", err)
	}
	return append(text, '\n'), nil
}

func variable(name, query string) object {
	return object{
		"name": name, "label": name, "type": "query", "datasource": source,
		"query": object{"query": query, "refId": name}, "refresh": 2, "sort": 1,
		"multi": true, "includeAll": true, "allValue": ".*",
		"current": object{"text": "All", "value": "$__all"},
	}
}

// layout puts the panels beside and below each other; a line is 24 wide.
func layout() (all []object) {
	const height, full = 8, 24
	y, id := 0, 0
	place := func(o object, x, w, h int) {
		id++
		o["id"], o["gridPos"] = id, object{"x": x, "y": y, "w": w, "h": h}
		all = append(all, o)
	}
	for _, r := range rows {
		place(object{"type": "row", "title": r.title, "collapsed": false, "panels": []any{}}, 0, full, 1)
		y++
		x, h := 0, height
		for _, p := range r.panels {
			if p.Kind == number {
				h = height / 2
			}
			if x+p.Width > full {
				x, y = 0, y+h
			}
			place(p.object(), x, p.Width, h)
			x += p.Width
		}
		y += h
	}
	return all
}

func (p *Panel) object() object {
	var targets []any
	for i, q := range p.Queries {
		t := object{"refId": string(rune('A' + i)), "datasource": source, "expr": q.Expr, "legendFormat": q.Legend}
		switch p.Kind {
		case table, number:
			t["instant"] = true
		case heatmap:
			t["format"] = "heatmap"
		}
		if p.Kind == table {
			t["format"] = "table"
		}
		targets = append(targets, t)
	}
	o := object{
		"type": p.Kind, "title": p.Title, "description": p.About, "datasource": source, "targets": targets,
		"fieldConfig": object{"defaults": object{"unit": p.Unit, "min": 0}, "overrides": []any{}},
	}
	switch p.Kind {
	case lines:
		o["options"] = object{"legend": object{"displayMode": "list", "placement": "bottom"}, "tooltip": object{"mode": "multi", "sort": "desc"}}
	case heatmap:
		o["options"] = object{"calculate": false, "yAxis": object{"unit": p.Unit}, "color": object{"mode": "scheme", "scheme": "Viridis"}}
	case table:
		o["transformations"] = []any{object{"id": "organize", "options": object{"excludeByName": object{"Time": true}}}}
	}
	return o
}
