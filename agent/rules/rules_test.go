// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/rules"
)

// TestEntries: every entry says what a user needs.
func TestEntries(t *testing.T) {
	seen := make(map[string]bool)
	for _, family := range rules.Catalogue() {
		for i := range family.Rules {
			r := &family.Rules[i]
			if seen[r.ID] {
				t.Errorf("%s is there twice", r.ID)
			}
			seen[r.ID] = true
			if wrong := faults(&family, r); wrong != "" {
				t.Errorf("%s: %s", r.ID, wrong)
			}
		}
	}
}

var idForm = regexp.MustCompile(`^[A-Z]+-[0-9]{2}$`)

func faults(f *rule.Family, r *rule.Rule) string {
	var wrong []string
	say := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	judged := r.Standing == rule.Judged || r.Standing == rule.ByPolicy
	say(!idForm.MatchString(r.ID), "its name is not LETTERS-NN")
	say(r.Source == "" || strings.Contains(r.Source, "§"), "source %q names no document and section in words", r.Source)
	say(r.Asks == "" || !strings.HasSuffix(r.Asks, "."), "what it asks is not a sentence: %q", r.Asks)
	say(judged == (r.Broken == ""), "%s, and its finding is %q", r.Standing, r.Broken)
	say(strings.HasSuffix(r.Broken, "."), "the summary of a finding ends without a full stop: %q", r.Broken)
	say(!judged && r.Silent == "", "%s, and does not say why", r.Standing)
	watched := judged && !isEmpty(&f.Watch) // the family looks for it
	say(judged == isEmpty(&r.Check) && !watched, "%s, and whether it has a check does not fit", r.Standing)
	return strings.Join(wrong, "; ")
}

func isEmpty(c *rule.Check) bool {
	return c.Placed == nil && c.Opened == nil && c.Request == nil && c.Response == nil && c.TimedOut == nil && c.Beat == nil && c.Defect == nil &&
		c.Ended == nil && c.Closed == nil && c.DialogOn == nil && c.DialogOff == nil
}
