package contract_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// asvs is how many requirements each section of OWASP ASVS 5.0 has, of the chapters that
// docs/compliance.md is about.
var asvs = map[string]int{
	"7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 3, "7.6": 2,
	"9.1": 3, "9.2": 4,
	"10.1": 2, "10.2": 3, "10.3": 5, "10.4": 16, "10.5": 5, "10.6": 2, "10.7": 3,
	"16.1": 1, "16.2": 5, "16.3": 4, "16.4": 3, "16.5": 4,
}

// pci are the requirements of PCI DSS 4.0.1 that the page is about.
var pci = strings.Fields(`8.2.8 10.1.1 10.1.2
	10.2.1 10.2.1.1 10.2.1.2 10.2.1.3 10.2.1.4 10.2.1.5 10.2.1.6 10.2.1.7 10.2.2
	10.3.1 10.3.2 10.3.3 10.3.4 10.4.1 10.4.1.1 10.4.2 10.4.2.1 10.4.3 10.5.1
	10.6.1 10.6.2 10.6.3 10.7.1 10.7.2 10.7.3`)

// TestComplianceHasEveryRequirement finds a row that was forgotten, or is there twice.
func TestComplianceHasEveryRequirement(t *testing.T) {
	t.Parallel()
	var want []string
	for section, n := range asvs {
		for i := range n {
			want = append(want, fmt.Sprintf("%s.%d", section, i+1))
		}
	}
	_, rest, _ := strings.Cut(readFile(t, "docs", "compliance.md"), "\n## PCI DSS 4.0.1\n")
	page, rest, _ := strings.Cut(rest, "\n## OWASP ASVS 5.0\n")
	wantSame(t, "requirements of PCI DSS", idsOf(rowsOf(t, page)), pci)
	page, rest, _ = strings.Cut(rest, "\n## NIST SP 800-63B-4\n")
	wantSame(t, "requirements of ASVS", idsOf(rowsOf(t, page)), want)
	if rows := rowsOf(t, rest); len(rows) < 20 {
		t.Errorf("the page has %d rows of NIST SP 800-63B-4", len(rows))
	}
}

// TestComplianceNamesTestsThatExist holds each row to what the page says of its verdict:
// who claims something names a test, with the package that has it.
func TestComplianceNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	needsTest := map[string]bool{"Met": true, "Set": true, "Part": true, "Not met": false, "Operator": false, "n/a": false}
	verdict := regexp.MustCompile(`^\*\*(.+?)\*\*`)
	for _, row := range rowsOf(t, readFile(t, "docs", "compliance.md")) {
		said := verdict.FindStringSubmatch(row.how)
		if said == nil {
			t.Errorf("%s: %q says neither Met nor anything else that the page explains", row.id, row.how)
			continue
		}
		needs, known := needsTest[said[1]]
		if !known {
			t.Errorf("%s: the page does not explain %q", row.id, said[1])
		}
		if needs && row.tests == "" {
			t.Errorf("%s: %s, and no test shows it", row.id, said[1])
		}
		for _, missing := range missingTests(t, row.tests) {
			t.Errorf("%s: %s", row.id, missing)
		}
	}
}

// TestSecurityNamesTestsThatExist does the same with the claims of docs/security.md: each
// row of a table of claims names a test or a script, and all that are named exist.
func TestSecurityNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	claims := claimsOf(readFile(t, "docs", "security.md"))
	if len(claims) < 100 {
		t.Fatalf("docs/security.md has %d claims with a test", len(claims))
	}
	for _, claim := range claims {
		scripts := scriptsIn(claim.tests)
		if !strings.Contains(claim.tests, "`Test") && !strings.Contains(claim.tests, "`Fuzz") && len(scripts) == 0 {
			t.Errorf("%q: no test shows it", claim.asks)
		}
		for _, missing := range missingTests(t, claim.tests) {
			t.Errorf("%q: %s", claim.asks, missing)
		}
		for _, script := range scripts {
			if _, err := os.Stat(filepath.Join(root, "services", "posse", "testdata", script+".txtar")); err != nil {
				t.Errorf("%q: %v", claim.asks, err)
			}
		}
	}
}

// TestSecurityHasAThreatModel wants what a reader looks for first: who attacks, and where
// to report what they found.
func TestSecurityHasAThreatModel(t *testing.T) {
	t.Parallel()
	page := readFile(t, "docs", "security.md")
	_, threats, _ := strings.Cut(page, "\n| attacker | can | cannot |\n")
	threats, _, _ = strings.Cut(threats, "\n\n")
	if rows := strings.Count(threats, "\n| "); rows < 10 {
		t.Errorf("the threat model has %d attackers", rows)
	}
	_, report, _ := strings.Cut(page, "\n## Reporting a vulnerability\n")
	if report, _, _ = strings.Cut(report, "\n## "); !strings.Contains(report, "private security advisory") {
		t.Error("the page does not say how to report a vulnerability")
	}
}

// claimsOf are the rows of the tables of claims.
func claimsOf(page string) (claims []requirement) {
	for _, table := range strings.Split(page, "\n| claim | test |\n|---|---|\n")[1:] {
		for line := range strings.Lines(table) {
			cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
			if !strings.HasPrefix(line, "| ") || len(cells) != 2 {
				break
			}
			claims = append(claims, requirement{asks: strings.TrimSpace(cells[0]), tests: strings.TrimSpace(cells[1])})
		}
	}
	return claims
}

// scriptsIn are the scripts that are named, with their folder.
func scriptsIn(tests string) (scripts []string) {
	for _, s := range regexp.MustCompile("script `([a-z_/]+)`").FindAllStringSubmatch(tests, -1) {
		if script := s[1]; strings.Contains(script, "/") {
			scripts = append(scripts, script)
		} else {
			scripts = append(scripts, "script/"+script)
		}
	}
	return scripts
}

// TestAuditPagesLinkToWhatExists follows the links of the pages for auditors.
func TestAuditPagesLinkToWhatExists(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)
	for _, page := range []string{"compliance.md", "audit-consumers.md", "security.md"} {
		for _, l := range link.FindAllStringSubmatch(readFile(t, "docs", page), -1) {
			if strings.HasPrefix(l[1], "https://") {
				continue
			}
			file := filepath.Join("docs", l[1])
			if l[1] == "" {
				file = filepath.Join("docs", page)
			}
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s links to %s: %v", page, l[1], err)
				continue
			}
			if l[2] != "" && !slices.Contains(anchorsOf(readFile(t, file)), l[2]) {
				t.Errorf("%s links to %s of %s, which has no such heading", page, l[2], file)
			}
		}
	}
}

// requirement is a row of a table of requirements.
type requirement struct{ id, asks, how, tests string }

// rowsOf are the rows of the tables that begin with a requirement's id.
func rowsOf(t *testing.T, page string) (rows []requirement) {
	t.Helper()
	begins := regexp.MustCompile(`^\| \d+\.\d`)
	for line := range strings.Lines(page) {
		if !begins.MatchString(line) {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 {
			t.Errorf("%d cells, want 4: %s", len(cells), line)
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, requirement{cells[0], cells[1], cells[2], cells[3]})
	}
	return rows
}

func idsOf(rows []requirement) []string {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.id
	}
	return ids
}

// missingTests says which of "`TestA`, `TestB` (pkg/x); `TestC` (pkg/y)" do not exist. The
// directories count with those below them.
func missingTests(t *testing.T, named string) (missing []string) {
	t.Helper()
	group := regexp.MustCompile(`((?:\x60(?:Test|Fuzz)\w+\x60[^\x60(]*)+)\(([^)]+)\)`)
	name := regexp.MustCompile(`\x60((?:Test|Fuzz)\w+)\x60`)
	found := 0
	for _, g := range group.FindAllStringSubmatch(named, -1) {
		text := testsIn(t, strings.Split(g[2], ", "))
		for _, n := range name.FindAllStringSubmatch(g[1], -1) {
			found++
			if !strings.Contains(text, "\nfunc "+n[1]+"(") {
				missing = append(missing, fmt.Sprintf("%s has no test %s", g[2], n[1]))
			}
		}
	}
	if all := len(name.FindAllString(named, -1)); found != all {
		missing = append(missing, fmt.Sprintf("%d of %d tests have their package behind them: %s", found, all, named))
	}
	return missing
}

// testsIn is the text of all tests of some packages.
func testsIn(t *testing.T, packages []string) string {
	t.Helper()
	var text strings.Builder
	for _, name := range packages {
		err := filepath.WalkDir(filepath.Join(root, name), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Name() == "node_modules" {
				return filepath.SkipDir
			}
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := os.ReadFile(path)
			text.WriteString("\n" + string(file))
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	return text.String()
}

// anchorsOf are the anchors that GitHub gives the headings of a page.
func anchorsOf(page string) (anchors []string) {
	heading, dropped := regexp.MustCompile(`(?m)^#+ (.+)$`), regexp.MustCompile(`[^\pL\pN _-]`)
	for _, h := range heading.FindAllStringSubmatch(page, -1) {
		anchors = append(anchors, "#"+strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-"))
	}
	return anchors
}
