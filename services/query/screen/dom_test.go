package screen_test

import (
	"fmt"
	"html"
	"slices"
	"strings"
)

// node is an element of a page, or a text.
type node struct {
	tag  string // "" for a text
	text string
	attr map[string]string
	kids []*node
}

var void = []string{"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}

// parse reads HTML of the kind that the templates write, and is strict about it:
// what is opened is closed, every attribute is quoted or has no value, and none
// comes twice.
func parse(source string) (*node, error) {
	root := &node{}
	open := []*node{root}
	for source != "" {
		text, rest, found := strings.Cut(source, "<")
		top := open[len(open)-1]
		if text != "" {
			top.kids = append(top.kids, &node{text: html.UnescapeString(text)})
		}
		if !found {
			break
		}
		if !strings.HasPrefix(rest, "/") && !strings.HasPrefix(rest, "!") {
			element, closed, after, err := parseTag(rest)
			if err != nil {
				return nil, err
			}
			top.kids = append(top.kids, element)
			if source = after; !closed {
				open = append(open, element)
			}
			continue
		}
		tag, after, found := strings.Cut(rest, ">")
		if source = after; !found {
			return nil, fmt.Errorf("tag %.40q does not end", rest)
		}
		if strings.HasPrefix(tag, "!") {
			continue
		}
		if tag[1:] != top.tag || len(open) == 1 {
			return nil, fmt.Errorf("<%s> closes <%s> before %.80q", tag, top.tag, after)
		}
		open = open[:len(open)-1]
	}
	if len(open) > 1 {
		return nil, fmt.Errorf("<%s> is not closed", open[len(open)-1].tag)
	}
	return root, nil
}

// parseTag reads what follows a "<".
func parseTag(source string) (element *node, closed bool, rest string, err error) {
	end := strings.IndexAny(source, " \n\t/>")
	if end <= 0 {
		return nil, false, "", fmt.Errorf("tag %.40q has no name", source)
	}
	element = &node{tag: source[:end], attr: map[string]string{}}
	source = source[end:]
	for {
		source = strings.TrimLeft(source, " \n\t")
		switch {
		case strings.HasPrefix(source, "/>"):
			return element, true, source[2:], nil
		case strings.HasPrefix(source, ">"):
			return element, slices.Contains(void, element.tag), source[1:], nil
		}
		if source, err = element.parseAttribute(source); err != nil {
			return nil, false, "", err
		}
	}
}

func (n *node) parseAttribute(source string) (rest string, err error) {
	end := strings.IndexAny(source, "= \n\t/>")
	if end <= 0 {
		return "", fmt.Errorf("attribute of <%s> at %.40q is malformed", n.tag, source)
	}
	name, rest := source[:end], source[end:]
	if _, twice := n.attr[name]; twice || strings.ContainsAny(name, `"'<`) {
		return "", fmt.Errorf("attribute %q of <%s> comes twice or is malformed", name, n.tag)
	}
	if !strings.HasPrefix(rest, "=") {
		n.attr[name] = ""
		return rest, nil
	}
	if len(rest) < 2 || rest[1] != '"' && rest[1] != '\'' {
		return "", fmt.Errorf("attribute %q of <%s> is not quoted", name, n.tag)
	}
	value, rest, found := strings.Cut(rest[2:], rest[1:2])
	if !found {
		return "", fmt.Errorf("attribute %q of <%s> does not end", name, n.tag)
	}
	n.attr[name] = html.UnescapeString(value)
	return rest, nil
}

// walk visits every element and text below, in order.
func (n *node) walk(visit func(*node)) {
	for _, kid := range n.kids {
		visit(kid)
		kid.walk(visit)
	}
}

// all returns the elements that a selector names: "li", "#users", ".dot",
// "[role=status]", joined without a space, and "a b" for b within a.
func (n *node) all(selector string) []*node {
	first, rest, deeper := strings.Cut(selector, " ")
	var found []*node
	n.walk(func(kid *node) {
		if kid.tag != "" && kid.is(first) {
			found = append(found, kid)
		}
	})
	if !deeper {
		return found
	}
	var within []*node
	for _, outer := range found {
		for _, inner := range outer.all(rest) {
			if !slices.Contains(within, inner) {
				within = append(within, inner)
			}
		}
	}
	return within
}

// is reports whether an element is what a selector without spaces names.
func (n *node) is(selector string) bool {
	for selector != "" {
		end := len(selector)
		if next := strings.IndexAny(selector[1:], "#.["); next >= 0 {
			end = next + 1
		}
		part := selector[:end]
		selector = selector[end:]
		if !n.has(part) {
			return false
		}
	}
	return true
}

func (n *node) has(part string) bool {
	switch part[0] {
	case '#':
		return n.attr["id"] == part[1:]
	case '.':
		return slices.Contains(strings.Fields(n.attr["class"]), part[1:])
	case '[':
		name, value, valued := strings.Cut(strings.Trim(part, "[]"), "=")
		got, ok := n.attr[name]
		return ok && (!valued || got == value)
	default:
		return n.tag == part
	}
}

// one returns the first element that a selector names; an empty one if there is
// none.
func (n *node) one(selector string) *node {
	if found := n.all(selector); len(found) > 0 {
		return found[0]
	}
	return &node{}
}

// count returns how many elements a selector names.
func (n *node) count(selector string) int { return len(n.all(selector)) }

// says is the text of an element, with single spaces.
func (n *node) says() string {
	var b strings.Builder
	n.walk(func(kid *node) { b.WriteString(kid.text) })
	return strings.Join(strings.Fields(b.String()+n.text), " ")
}

// list is what each of the elements says that a selector names.
func (n *node) list(selector string) []string {
	var texts []string
	for _, found := range n.all(selector) {
		texts = append(texts, found.says())
	}
	return texts
}

// values are the values of an attribute of the elements that a selector names.
func (n *node) values(selector, attribute string) []string {
	var values []string
	for _, found := range n.all(selector) {
		values = append(values, found.attr[attribute])
	}
	return values
}
