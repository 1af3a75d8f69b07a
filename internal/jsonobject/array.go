package jsonobject

import "strings"

// elementDepth is how deep an element of an array stands that is a member's value.
const elementDepth = valueDepth + 1

// AppendElement returns the array with the value at its end. Both are JSON, as
// [Object.Find] and [AppendValue] return it, and so is the result: the value of a
// member. An array of "", or that isn't one, gives way to a new one.
//
// The error is [ErrTooDeep] if the value nests as deep as a member's may, which is too
// deep for an element.
func AppendElement(array, value string) (string, error) {
	if err := checkValue(value, elementDepth); err != nil {
		return "", err
	}
	waiting, ok := strings.CutSuffix(array, "]")
	if waiting = strings.TrimRight(waiting, whitespace); !ok || waiting == "[" {
		return "[" + value + "]", nil
	}
	return waiting + "," + value + "]", nil
}

// Elements returns the JSON of the elements of an array, and false if the value of a
// member that it is given is not an array.
func Elements(array string) ([]string, bool) {
	if array == "" || array[0] != '[' {
		return nil, false
	}
	elements := []string{}
	i := skipSpace(array, 1)
	if i < len(array) && array[i] == ']' {
		return elements, i+1 == len(array)
	}
	for {
		end := skipValue(array, i, elementDepth)
		if end < 0 {
			return nil, false
		}
		elements = append(elements, array[i:end])
		i = skipSpace(array, end)
		switch {
		case i < len(array) && array[i] == ']':
			return elements, i+1 == len(array)
		case i == len(array) || array[i] != ',':
			return nil, false
		}
		i = skipSpace(array, i+1)
	}
}
